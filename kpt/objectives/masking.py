"""Hiding tokens for the masked language model; numpy alone."""

from __future__ import annotations

import math

import numpy as np

from kpt.errors import InputError
from kpt.text.vocabulary import Vocabulary

__all__ = ["mask_tokens", "prediction_slots"]


# Room for the word that crosses the budget: without it such words are passed over and too few tokens are hidden.
_WORD_ROOM = 4


def prediction_slots(length: int, rate: float = 0.15, whole_words: bool = False) -> int:
    """Return the number of slots that hold the predictions of any sequence.

    `rate * length`, rounded up (128 -> 20), and 4 more for whole words, whose last one may cross that budget.
    """
    return max(1, math.ceil(rate * length)) + (_WORD_ROOM if whole_words else 0)


def mask_tokens(
    token_ids: np.ndarray,
    padding_mask: np.ndarray,
    vocabulary: Vocabulary,
    generator: np.random.Generator,
    rate: float = 0.15,
    predictions: int | None = None,
    whole_words: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    r"""Choose tokens to predict and hide them: 80 % become [MASK], 10 % a random piece, 10 % stay.

    Of a sequence with n tokens that are not special, :math:`r n` are chosen (r the rate): a fraction is rounded up with
    the probability that makes the expectation exact, and at least one token is chosen. With whole words, words are
    taken in random order until the budget is spent; the one that crosses it is taken with the probability that makes
    the expectation exact, if the slots have room for it. A word with more pieces than there are slots is never chosen.
    Special tokens ([UNK] among them) are neither chosen nor used as replacements.

    Args:
        token_ids: integers [batch, length].
        padding_mask: bool [batch, length], True where there is a token.
        vocabulary: says which ids are special and which continue a word.
        generator: the only source of randomness.
        rate: share of the tokens that are predicted.
        predictions: number of slots P of a sequence; by default `prediction_slots(length, rate, whole_words)`.
        whole_words: whether the pieces of a word are chosen together.

    Returns:
        token_ids int32 [batch, length] with tokens hidden; positions int32 [batch, P], ascending, 0 in unused slots;
        labels int32 [batch, P], the ids before hiding, 0 in unused slots; weights float32 [batch, P], 1 in used slots.

    Raises:
        InputError: the rate is not between 0 and 1, there are no slots, the shapes differ or all ids are special.

    Example:
        >>> vocabulary = Vocabulary.from_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"])
        >>> ids = np.array([[2, 5, 6, 3, 0]])
        >>> hidden, positions, labels, weights = mask_tokens(ids, ids > 0, vocabulary, np.random.default_rng(1))
        >>> hidden.tolist(), positions.tolist(), labels.tolist(), weights.tolist()
        ([[2, 5, 4, 3, 0]], [[2]], [[6]], [[1.0]])

    Source: Devlin et al. 2018, "BERT", section 3.1 and appendix A.1; the whole-word option is that of its code (2019).
    """
    if not 0 < rate < 1:
        raise InputError(f"the masking rate is {rate}; give one between 0 and 1 (BERT's is 0.15)")
    if token_ids.ndim != 2 or token_ids.shape != padding_mask.shape:
        raise InputError(
            f"token_ids {token_ids.shape} and padding_mask {padding_mask.shape} must share a shape [batch, length]"
        )
    length = token_ids.shape[1]
    slots = prediction_slots(length, rate, whole_words) if predictions is None else predictions
    if slots < 1:
        raise InputError(f"predictions is {predictions}; give at least one slot")
    if vocabulary.size <= len(vocabulary.special_ids):
        raise InputError("the vocabulary has special tokens only; there is nothing to predict")

    candidates = padding_mask & ~_is_special(token_ids, vocabulary)
    positions, used = _choose(token_ids, candidates, vocabulary, generator, rate, slots, whole_words)
    labels = np.where(used, np.take_along_axis(token_ids, positions, axis=1), 0).astype(np.int32)

    fate = generator.random(positions.shape, dtype=np.float32)
    shown = np.where(fate < 0.8, vocabulary.mask_id, labels)
    shown = np.where((fate >= 0.8) & (fate < 0.9), _random_pieces(positions.shape, vocabulary, generator), shown)
    hidden = token_ids.astype(np.int32)
    rows, columns = np.nonzero(used)
    hidden[rows, positions[rows, columns]] = shown[rows, columns]
    return hidden, positions.astype(np.int32), labels, used.astype(np.float32)


def _choose(
    token_ids: np.ndarray,
    candidates: np.ndarray,
    vocabulary: Vocabulary,
    generator: np.random.Generator,
    rate: float,
    slots: int,
    whole_words: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Return ascending positions [batch, slots] and which of the slots are used.

    Each word gets a random number; sorting `random number, position` puts whole words into random order, and how many
    tokens stand before a word says whether the budget still has room for it.
    """
    batch, length = token_ids.shape
    columns = np.arange(length)
    bits = max(1, (length - 1).bit_length())
    low = np.uint64((1 << bits) - 1)
    keys = generator.integers(0, 2**64, size=(batch, length), dtype=np.uint64)
    budget = rate * np.count_nonzero(candidates, axis=1)[:, None]
    if whole_words:
        first, pieces = _words(token_ids, candidates, vocabulary)
        keys = np.take_along_axis(keys, first, axis=1)
        candidates = candidates & (pieces <= slots)
    keys = np.where(candidates, (keys & ~low) | columns.astype(np.uint64), np.uint64(2**64 - 1))
    keys.sort(axis=1)
    order = (keys[:, :slots] & low).astype(np.int64)

    rank = columns[: order.shape[1]]
    before: np.ndarray = np.broadcast_to(rank, order.shape)  # tokens of the words that come earlier in the random order
    size: np.ndarray | int = 1
    if whole_words:
        order = np.minimum(order, length - 1)
        before = rank - (order - np.take_along_axis(first, order, axis=1))
        size = np.take_along_axis(pieces, order, axis=1)
    luck = generator.random((batch, 1))
    fits = (before + size <= budget) | (before == 0) | (luck * size < budget - before)
    used = fits & (before + size <= slots) & (rank < np.count_nonzero(candidates, axis=1)[:, None])

    positions = np.full((batch, slots), length, np.int64)
    positions[:, : order.shape[1]] = np.where(used, order, length)
    positions.sort(axis=1)
    used = positions < length
    return np.where(used, positions, 0), used


def _words(token_ids: np.ndarray, candidates: np.ndarray, vocabulary: Vocabulary) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each position, where its word starts and how many pieces the word has."""
    length = token_ids.shape[1]
    continues = vocabulary.continuation[token_ids] & candidates
    continues[:, 1:] &= candidates[:, :-1]
    continues[:, 0] = False
    first = np.maximum.accumulate(np.where(continues, 0, np.arange(length)), axis=1)
    flat = first + np.arange(0, first.size, length)[:, None]
    return first, np.bincount(flat.ravel(), minlength=first.size)[flat]


def _is_special(token_ids: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    special = np.zeros(vocabulary.size, np.bool_)
    special[list(vocabulary.special_ids)] = True
    return special[token_ids]


def _random_pieces(shape: tuple[int, ...], vocabulary: Vocabulary, generator: np.random.Generator) -> np.ndarray:
    """Draw ids uniformly from those that are not special, by stepping over the special ones in ascending order."""
    pieces = generator.integers(0, vocabulary.size - len(vocabulary.special_ids), size=shape)
    for special in vocabulary.special_ids:
        pieces += pieces >= special
    return pieces
