"""How well a language model predicts text that it has not seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from kpt.data import Batches, SentencePairs, TokenStore
from kpt.errors import InputError
from kpt.generation.prompts import decoder_of
from kpt.generation.scoring import log_likelihoods
from kpt.objectives import bits_per_byte, perplexity

__all__ = ["evaluate_causal_lm", "evaluate_masked_lm", "stream_windows"]

# Rows of a call: enough that their sorting by length groups them, few enough that a corpus is never in memory.
ROWS = 512


def evaluate_causal_lm(
    model: Any, store: TokenStore, *, length: int, stride: int | None = None, batch_size: int | None = None
) -> dict[str, Any]:
    r"""Return loss, perplexity and bits per byte of a causal language model over all documents of a token store.

    As in training the documents follow each other in one stream, an end token after each, which is predicted too; the
    tokenizer's end token also stands before the first. The stream is read in windows; a token is predicted once, from
    those before it in its window.

    .. math:: L = -\frac{1}{N} \sum_{i=1}^{N} \log p(x_i \mid x_{<i}), \quad \mathrm{perplexity} = e^L

    Args:
        model: A `kpt.models.Decoder`, or a `Pretrainer` of one.
        store: The documents, ids of the model's tokenizer.
        length: Tokens of a window that are predicted from, as many as in training for figures that compare to those.
        stride: Tokens by which a window begins later than the one before, from 1 to `length`, the default. Shorter
            ones give each token more context, at the cost of `length / stride` times the work.
        batch_size: Windows computed together; by default about 4,096 tokens.

    Returns:
        `loss` in nats a token, `perplexity`, `bits_per_byte`, and the counts `tokens` (predicted) and `documents`. The
        bytes are those of the text, UTF-8; for a part of a store they are estimated from the whole store's tokens.

    Raises:
        InputError: A number is out of its range, the model generates no text, or there is nothing to predict.

    Example:
        >>> evaluate_causal_lm(model, store, length=128)["perplexity"]  # doctest: +SKIP
        31.4

    Source: Gao et al. 2020, "The Pile", section 3.1.
    """
    decoder = decoder_of(model)
    stride = length if stride is None else stride
    if not 1 <= length <= decoder.maximum_length:
        raise InputError(f"length is {length}; give a number from 1 to the model's {decoder.maximum_length} positions")
    if not 1 <= stride <= length:
        raise InputError(f"stride is {stride}; give a number from 1 to the length, {length}")
    if store.vocabulary.size != decoder.vocabulary_size:
        raise InputError(
            f"the store has ids of {store.vocabulary.size:,} tokens and the model of {decoder.vocabulary_size:,}; "
            "prepare the text with the model's tokenizer"
        )
    # A window has one token more than are predicted from, where the model has a position for it.
    size = min(length + 1, decoder.maximum_length)
    windows = stream_windows(documents_of(store), size, min(stride, size - 1))
    batch_size = batch_size or max(1, 4096 // size)
    total, tokens = 0.0, 0
    while chosen := list(islice(windows, ROWS)):
        rows, firsts = zip(*chosen, strict=True)
        scores = log_likelihoods(decoder, rows, firsts, batch_size=batch_size)
        total -= float(scores.log_likelihood.sum())
        tokens += int(scores.token_count.sum())
    if not tokens:
        raise InputError("there are not two tokens to predict one from the other; give more text")
    loss = total / tokens
    whole = store.summary
    byte_count = max(1, round(whole["bytes"] * store.tokens / whole["tokens"]))
    return {
        "loss": loss,
        "perplexity": perplexity(loss),
        "bits_per_byte": bits_per_byte(loss, tokens, byte_count),
        "tokens": tokens,
        "documents": store.documents,
    }


def documents_of(store: TokenStore) -> Iterator[np.ndarray]:
    """Yield the pieces of the stream: an end token if there is one, then each document and the end token again."""
    vocabulary = store.vocabulary
    role = next((role for role in ("end", "sep") if role in vocabulary.roles), None)
    end = np.array([] if role is None else [vocabulary.roles[role]], np.int32)
    yield end
    for index in range(store.documents):
        yield np.concatenate([*store.document(index), end]).astype(np.int32)


def stream_windows(pieces: Iterator[np.ndarray], size: int, stride: int) -> Iterator[tuple[Sequence[int], int]]:
    """Yield windows of a stream, and the index in each of the first token to predict: each token is predicted once.

    Args:
        pieces: The stream, in arrays of any lengths.
        size: Tokens of a window, 2 or more; the last may have fewer.
        stride: Tokens that a window, but the first, has to predict; from 1 to `size - 1`.

    Example:
        >>> list(stream_windows(iter([np.arange(7)]), size=4, stride=2))
        [([0, 1, 2, 3], 1), ([2, 3, 4, 5], 2), ([4, 5, 6], 2)]
    """
    held: list[int] = []
    first = 1
    for piece in pieces:
        held += piece.tolist()
        while len(held) >= size:
            yield held[:size], first
            del held[:stride]
            first = size - stride
    if len(held) > first:
        yield held, first


def evaluate_masked_lm(
    model: Any, store: TokenStore, *, length: int, batch_size: int = 32, seed: int = 0
) -> dict[str, Any]:
    """Return loss and accuracy of a `Pretrainer` with masked tokens, and of its other objectives, over a token store.

    The examples are those of training: pairs of texts with tokens masked at random by the seed, one pass over the
    documents.

    Args:
        model: A `Pretrainer` with the objective `masked_lm`; it is compiled anew.
        store: The documents, ids of the model's tokenizer, two or more.
        length: Tokens of an example at most, as in training.
        batch_size: Examples computed together.
        seed: What pairs and masks depend on.

    Returns:
        `masked_lm_loss` in nats a masked token, `masked_lm_accuracy` and those of the other objectives, and the counts
        `examples` and `documents`.

    Raises:
        InputError: There are fewer than two documents, or a number is out of its range.

    Example:
        >>> evaluate_masked_lm(model, store, length=128)["masked_lm_accuracy"]  # doctest: +SKIP
        0.41
    """
    if store.documents < 2:
        raise InputError("there is one document, and pairs of texts need two; give more text")
    examples = SentencePairs(store, length=length, seed=seed)
    count = examples.examples_per_epoch
    batch_size = max(1, min(batch_size, count))
    steps = -(-count // batch_size)
    model.compile()
    batches = Batches(examples, model.objectives, batch_size=batch_size, steps=steps)
    found = model.evaluate(batches, verbose=0, return_dict=True)
    values = {name: float(value) for name, value in found.items() if name != "loss"}
    return {**values, "examples": steps * batch_size, "documents": store.documents}
