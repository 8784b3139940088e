"""Prompts as a batch of the model's inputs: encoded, checked, and padded on the left to a bucket's length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from kpt.errors import InputError
from kpt.text import Tokenizer

__all__ = ["Padded", "bucket", "decoder_of", "encoded", "left_padded", "new_tokens"]


class Padded(NamedTuple):
    """Rows of different lengths with padding before them.

    Attributes:
        token_ids: int32 `[batch, columns]`.
        starts: int32 `[batch]`, the column of the first token of each row.
    """

    token_ids: np.ndarray
    starts: np.ndarray


def bucket(size: int) -> int:
    """Return the length that stands for a range of lengths, so that few are compiled: 16, 32, ... 128, 192, ...

    Example:
        >>> [bucket(size) for size in (1, 16, 17, 128, 129, 1000)]
        [16, 16, 32, 128, 192, 1024]
    """
    step = 16 if size <= 128 else 64
    return max(1, -(-size // step)) * step


def encoded(
    prompts: Sequence[str] | Sequence[Sequence[int]], tokenizer: Tokenizer | None, vocabulary_size: int
) -> list[list[int]]:
    """Return the ids of prompts; an empty one begins with the token that ends a text, as a text in training does.

    Args:
        prompts: Texts, or rows of ids.
        tokenizer: What encodes texts; `None` if there are none.
        vocabulary_size: The model's.

    Raises:
        InputError: There is no prompt, a text has no tokenizer, an id is not the model's, or a prompt is empty and
            there is no token that ends a text.
    """
    if not len(prompts):
        raise InputError("there are no prompts; give one or more")
    if all(isinstance(prompt, str) for prompt in prompts):
        if tokenizer is None:
            raise InputError("prompts are texts and tokenizer is None; give the model's tokenizer")
        ragged = tokenizer.encode([str(prompt) for prompt in prompts])
        rows = [ragged.row(i).tolist() for i in range(len(prompts))]
    elif any(isinstance(prompt, str) for prompt in prompts):
        raise InputError("some prompts are texts and some are ids; give either")
    else:
        rows = [[int(i) for i in prompt] for prompt in prompts]
    end = None if tokenizer is None else tokenizer.vocabulary.roles.get("end")
    for number, row in enumerate(rows):
        if not row:
            if end is None:
                raise InputError(f"prompt {number} is empty and the tokenizer has no end of text; give it some text")
            row.append(end)
        outside = next((i for i in row if not 0 <= i < vocabulary_size), None)
        if outside is not None:
            raise InputError(f"prompt {number} has the id {outside}, and the model has {vocabulary_size} tokens")
    return rows


def new_tokens(
    sizes: Sequence[int], maximum: int | None, max_new_tokens: int | None, max_length: int | None
) -> list[int]:
    """Return how many tokens each prompt gets at most.

    Args:
        sizes: Tokens of each prompt.
        maximum: Positions that the model has; `None` if it does not say.
        max_new_tokens: Tokens to get; with neither limit 50, or as many as there are positions left.
        max_length: Tokens of prompt and text together, instead.

    Raises:
        InputError: Both limits are given, one is not positive, a prompt reaches `max_length`, or prompt and text do not
            fit into the positions.
    """
    if max_new_tokens is not None and max_length is not None:
        raise InputError("max_new_tokens and max_length are both given; give one of them")
    if max_new_tokens is not None and max_new_tokens < 1:
        raise InputError(f"max_new_tokens is {max_new_tokens}; give 1 or more")
    limits = []
    for number, size in enumerate(sizes):
        if maximum is not None and size >= maximum:
            raise InputError(f"prompt {number} has {size} tokens, and the model has {maximum} positions; shorten it")
        if max_length is not None:
            if size >= max_length:
                raise InputError(f"prompt {number} has {size} tokens, and max_length is {max_length}; give more")
            limit = max_length - size
        elif max_new_tokens is not None:
            limit = max_new_tokens
        else:
            limit = 50 if maximum is None else min(50, maximum - size)
        if maximum is not None and size + limit > maximum:
            raise InputError(
                f"prompt {number} has {size} tokens and is to get {limit}, and the model has {maximum} positions; "
                f"ask for at most {maximum - size}"
            )
        limits.append(limit)
    return limits


def left_padded(rows: Sequence[Sequence[int]], columns: int) -> Padded:
    """Return rows as one array, with zeros before them.

    Args:
        rows: The ids of each row.
        columns: Columns of the result, as many as the longest row has or more.

    Example:
        >>> left_padded([[5], [6, 7]], 3)
        Padded(token_ids=array([[0, 0, 5],
               [0, 6, 7]], dtype=int32), starts=array([2, 1], dtype=int32))
    """
    token_ids = np.zeros((len(rows), columns), np.int32)
    starts = np.array([columns - len(row) for row in rows], np.int32)
    for i, row in enumerate(rows):
        token_ids[i, starts[i] :] = row
    return Padded(token_ids, starts)


def decoder_of(model: Any) -> Any:
    """Return the decoder of a model: itself, or the backbone of a `Pretrainer`.

    Raises:
        InputError: It cannot generate.
    """
    decoder = getattr(model, "backbone", model)
    if not (hasattr(decoder, "empty_cache") and hasattr(decoder, "logits")):
        raise InputError(
            f"{type(decoder).__name__} generates no text; give a kpt.models.Decoder or a Pretrainer of one"
        )
    return decoder
