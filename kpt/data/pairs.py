"""Examples of two segments for next-sentence prediction."""

from __future__ import annotations

import numpy as np

from kpt.data.boundaries import back_to_word, word_starts
from kpt.data.chunks import Chunks, Place
from kpt.data.permutation import random_bits, random_integers
from kpt.data.segments import check_settings, epoch_order
from kpt.data.sequences import pair_sequences
from kpt.data.store import TokenStore
from kpt.errors import InputError

__all__ = ["SentencePairs"]

_DRAWS = 0xB4A1
_ATTEMPTS = 4

Segments = tuple[np.ndarray, np.ndarray]


class SentencePairs:
    """Makes [CLS] A [SEP] B [SEP], where B follows A in half of the examples and comes from elsewhere in the others.

    A chunk is consecutive sentences of one document, cut where `length - 3` tokens are reached, or with probability
    `short_probability` a target drawn uniformly from 2 ... length - 3. It is divided into A and B where one of its
    sentences starts, drawn uniformly. A chunk of one sentence is divided where one of its words starts. With
    probability 1/2 the label is 0 and B is the rest of the chunk. Else the label is 1 and B is as many tokens from the
    start of a sentence (of a word, where the chunk had but one sentence) of another document, drawn with the
    probability that its chunks have. The true B's length is kept so that the length of an example does not tell its
    label; where a chunk is full this is BERT's rule, to fill up to the target. A document too short for that is
    replaced by another up to three times.

    An epoch has as many examples as chunks are needed to cover each document; their order is a pseudo-random
    permutation, anew each epoch. Documents of one token cannot be divided and give no examples. Example n is a pure
    function of (store, seed, n).

    Args:
        store: the documents.
        length: tokens of a sequence, the three special ones included.
        short_probability: share of the examples with a shorter target.
        seed: of all that is random.

    Raises:
        InputError: the length is below 5, the probability is not in 0 ... 1, the seed is not in 0 ... 2^63 - 1, or
            fewer than two documents have two tokens.

    Source: Devlin et al. 2018, "BERT", appendix A.2, and `create_pretraining_data.py` of its code.
    """

    def __init__(self, store: TokenStore, *, length: int = 128, short_probability: float = 0.1, seed: int = 0) -> None:
        check_settings(length, 5, seed)
        if not 0 <= short_probability <= 1:
            raise InputError(f"short_probability is {short_probability}; give one from 0 to 1 (BERT's is 0.1)")
        self.store, self.length, self.short_probability, self.seed = store, length, short_probability, seed
        self.vocabulary = store.vocabulary
        self.chunks = Chunks(store, length - 3, minimum=2)
        if self.chunks.documents < 2:
            raise InputError(
                f"the token store {store.folder} has {self.chunks.documents} documents of two tokens or more, so no "
                "other document to take a random next sentence from; add documents, divide the text into more of "
                "them, or train without next-sentence prediction"
            )

    @property
    def examples_per_epoch(self) -> int:
        """Examples until every document has been gone through once."""
        return len(self.chunks)

    def examples(self, step: int, batch_size: int, rows: slice = slice(None)) -> dict[str, np.ndarray]:
        """Return the examples `step * batch_size` to `(step + 1) * batch_size - 1`, or some rows of them.

        Returns:
            token_ids int32, segment_ids int32, padding_mask bool, [rows, length] each, and next_sentence_labels int32
            [rows] (0: B follows A, 1: B is from another document).
        """
        first, second, labels = self._segments(step * batch_size + np.arange(batch_size)[rows])
        batch = pair_sequences(self.store, self.vocabulary, self.length, first, second)
        return {**batch, "next_sentence_labels": labels}

    def documents(self, step: int, batch_size: int) -> list[list[int]]:
        """Return which documents A and B of each example of a step are from, by their numbers in the whole store."""
        (first, _), (second, _), _ = self._segments(step * batch_size + np.arange(batch_size))
        both = np.stack([self.store.documents_at(first), self.store.documents_at(second)], axis=1)
        return [np.unique(pair).tolist() for pair in both]

    def _segments(self, numbers: np.ndarray) -> tuple[Segments, Segments, np.ndarray]:
        """Return start and size of A and B of examples, and the labels."""
        draws = random_bits(self.seed, _DRAWS, numbers[:, None], np.arange(4 + 2 * _ATTEMPTS))
        epoch, number = epoch_order(numbers, len(self.chunks), self.seed)
        place = self.chunks.find(number)
        start, end = self.chunks.spread(place, self._targets(draws[:, 0], draws[:, 1]), epoch, self.seed)
        boundary, at_word = self._divide(start, end, draws[:, 2])
        second_start, second_size = boundary.copy(), end - boundary

        labels = (draws[:, 3] >> np.uint64(63)).astype(np.int32)
        other = np.flatnonzero(labels)
        second_start[other], second_size[other] = self._elsewhere(
            Place(*(field[other] for field in place)), second_size[other], at_word[other], draws[other, 4:]
        )
        return (start, boundary - start), (second_start, second_size), labels

    def _targets(self, choice: np.ndarray, size: np.ndarray) -> np.ndarray:
        full = self.length - 3
        short = random_integers(choice, 1 << 53) < self.short_probability * (1 << 53)
        return np.where(short, 2 + random_integers(size, full - 1), full)

    def _divide(self, start: np.ndarray, end: np.ndarray, bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return where B starts, and whether that is inside a sentence."""
        first = self.store.sentences_at(start)
        inner = self.store.sentences_at(end - 1) - first
        boundary = self.store.sentence_starts(first + np.where(inner > 0, 1 + random_integers(bits, inner), 0))
        rows = np.flatnonzero(inner == 0)
        if rows.size:
            size = end[rows] - start[rows]
            places = word_starts(self.store, start[rows], size, self.length)
            places[:, 0] = False
            none = ~places.any(axis=1)  # one word: between any two of its pieces
            places[none] = (np.arange(self.length) < size[none, None]) & (np.arange(self.length) > 0)
            running = np.cumsum(places, axis=1)
            chosen = random_integers(bits[rows], running[:, -1])
            boundary[rows] = start[rows] + np.count_nonzero(running <= chosen[:, None], axis=1)
        return boundary, inner == 0

    def _elsewhere(
        self, place: Place, wanted: np.ndarray, at_word: np.ndarray, bits: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return start and size of segments of `wanted` tokens from other documents than `place` names."""
        start, size = np.zeros_like(wanted), np.zeros_like(wanted)
        rows = np.arange(len(wanted))
        for attempt in range(_ATTEMPTS):
            if not rows.size:
                break
            own = Place(*(field[rows] for field in place))
            number = random_integers(bits[rows, 2 * attempt], len(self.chunks) - own.chunks)
            other = self.chunks.find(number + np.where(number >= own.first, own.chunks, 0))
            room = other.stop - other.start
            last = np.maximum(room - wanted[rows], 0)
            position = other.start + random_integers(bits[rows, 2 * attempt + 1], last + 1)
            sentence = self.store.sentence_starts(self.store.sentences_at(position))
            begin = np.where(at_word[rows], back_to_word(self.store, other.start, position), sentence)
            start[rows] = begin
            size[rows] = np.minimum(wanted[rows], other.stop - begin)
            rows = rows[size[rows] < wanted[rows]]
        return start, size
