"""How probable a causal language model finds a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from kpt.errors import InputError
from kpt.generation.compiled import compiled
from kpt.generation.prompts import bucket, decoder_of
from kpt.text import Tokenizer

__all__ = ["Scores", "beginning", "log_likelihoods", "score", "token_log_probabilities"]


class Scores(NamedTuple):
    """What a model says about texts.

    Attributes:
        log_likelihood: float64 `[texts]`, natural logarithm.
        token_count: int64 `[texts]`, the tokens it is the sum of.
    """

    log_likelihood: np.ndarray
    token_count: np.ndarray


def score(model: Any, tokenizer: Tokenizer, texts: Sequence[str], *, batch_size: int = 16) -> Scores:
    r"""Return the log-likelihood of texts.

    .. math:: \log p(x) = \sum_t \log p(x_t \mid x_{<t})

    A text stands after the token that ends the text before it, as in training; if the tokenizer has no such token, the
    first token of a text has nothing before it and is not counted.

    Args:
        model: A `kpt.models.Decoder`, or a `Pretrainer` of one.
        tokenizer: The tokenizer it was trained with.
        texts: The texts.
        batch_size: Texts computed together.

    Returns:
        The log-likelihoods and the counts of tokens; 0 and 0 for an empty text.

    Raises:
        InputError: There is one text instead of several, or one is longer than the model's positions.

    Example:
        >>> kpt.generation.score(model, tokenizer, ["It rained."]).token_count  # doctest: +SKIP
        array([3])
    """
    if isinstance(texts, str):
        raise InputError(f"texts is one text, {texts[:40]!r}; give a list of texts")
    begin = beginning(tokenizer)
    ragged = tokenizer.encode(list(texts))
    rows = [[*begin, *ragged.row(i).tolist()] for i in range(len(texts))]
    return log_likelihoods(decoder_of(model), rows, [1] * len(rows), batch_size=batch_size)


def beginning(tokenizer: Tokenizer) -> list[int]:
    """Return what stands before a text: the token that ends the text before, if there is one."""
    end = tokenizer.vocabulary.roles.get("end")
    return [] if end is None else [end]


def log_likelihoods(
    decoder: Any, rows: Sequence[Sequence[int]], firsts: Sequence[int], *, batch_size: int = 16
) -> Scores:
    """Return the log-likelihood of the end of each row, given its beginning.

    Args:
        decoder: A `kpt.models.Decoder`.
        rows: Ids.
        firsts: The index in each row of the first token that counts, 1 or more.
        batch_size: Rows computed together; they are taken in the order of their lengths.

    Raises:
        InputError: A row is longer than the model's positions.
    """
    sizes = np.array([len(row) for row in rows], np.int64)
    longest = getattr(decoder, "maximum_length", None)
    for number in np.flatnonzero(sizes > longest)[:1] if longest is not None else ():
        raise InputError(f"text {number} has {sizes[number]} tokens, and the model has {longest} positions; shorten it")
    counts = np.maximum(0, sizes - np.asarray(firsts, np.int64))
    totals = np.zeros(len(rows), np.float64)
    order = np.argsort(sizes, kind="stable")
    order = order[counts[order] > 0]
    for begin in range(0, len(order), batch_size):
        chosen = order[begin : begin + batch_size]
        columns = bucket(int(sizes[chosen].max()))
        columns = columns if longest is None else min(columns, longest)
        token_ids = np.zeros((len(chosen), columns), np.int32)
        for place, number in enumerate(chosen):
            token_ids[place, : sizes[number]] = rows[number]
        values = compiled(decoder)(token_log_probabilities, (ops.convert_to_tensor(token_ids),))
        logarithms = ops.convert_to_numpy(values).astype(np.float64)
        targets = np.arange(1, columns)
        counted = (targets >= np.asarray(firsts)[chosen][:, None]) & (targets < sizes[chosen][:, None])
        totals[chosen] = np.where(counted, logarithms, 0).sum(axis=1)
    return Scores(totals, counts)


def token_log_probabilities(decoder: Any, token_ids: Any) -> Any:
    """Return the logarithm of the probability of each token after those before it.

    What follows a row's own tokens does not change what is returned for them.

    Args:
        decoder: A `kpt.models.Decoder`.
        token_ids: int32 `[batch, length]`.

    Returns:
        float32 `[batch, length - 1]`, from the second token on.
    """
    sequence = decoder({"token_ids": token_ids}, training=False)["sequence"][:, :-1]
    logits = ops.cast(decoder.logits(sequence), "float32")
    chosen = ops.take_along_axis(logits, token_ids[:, 1:, None], axis=-1)[:, :, 0]
    return chosen - ops.logsumexp(logits, axis=-1)
