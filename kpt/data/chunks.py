"""Where the examples of an epoch lie in a token store: numbered chunks of documents, found without a table of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kpt.data.boundaries import back_to_word
from kpt.data.permutation import random_bits, random_integers
from kpt.data.store import TokenStore

__all__ = ["Chunks", "Place"]

_BLOCK = 32
_PHASE = 0x9A5E


class Place(NamedTuple):
    """Chunks of documents, one a row: chunk `chunk` of `chunks` of the document at positions `start` to `stop`.

    `first` is the number of the document's first chunk, `document` the document's number.
    """

    document: np.ndarray
    first: np.ndarray
    chunk: np.ndarray
    chunks: np.ndarray
    start: np.ndarray
    stop: np.ndarray


class Chunks:
    """Numbers the chunks of a store: a document of n tokens has ceil(n / capacity) of them, in a row.

    Kept in memory is one running total for every 32 documents; the rest is computed from the store's offsets.

    Args:
        store: the documents.
        capacity: tokens that a chunk can hold.
        minimum: documents with fewer tokens have no chunks.
    """

    def __init__(self, store: TokenStore, capacity: int, minimum: int = 1) -> None:
        self.store, self.capacity, self.minimum = store, capacity, minimum
        self.documents = 0
        totals = [np.zeros(1, np.int64)]
        for begin in range(0, store.documents, 1 << 16):
            counts = self._counts(*store.document_spans(np.arange(begin, min(begin + (1 << 16), store.documents))))
            self.documents += int(np.count_nonzero(counts))
            totals.append(np.add.reduceat(counts, np.arange(0, len(counts), _BLOCK)))
        self._totals = np.cumsum(np.concatenate(totals))

    def __len__(self) -> int:
        return int(self._totals[-1])

    def find(self, numbers: np.ndarray) -> Place:
        """Return the places of chunks, given their numbers (int64 [n], each below `len(self)`)."""
        block = np.searchsorted(self._totals, numbers, side="right") - 1
        documents = np.minimum(block[:, None] * _BLOCK + np.arange(_BLOCK), self.store.documents - 1)
        start, stop = self.store.document_spans(documents)
        counts = self._counts(start, stop)
        ends = np.cumsum(counts, axis=1)
        rest = numbers - self._totals[block]
        column = np.count_nonzero(ends <= rest[:, None], axis=1)
        row = np.arange(len(numbers))
        count = counts[row, column]
        index = rest - (ends[row, column] - count)
        return Place(documents[row, column], numbers - index, index, count, start[row, column], stop[row, column])

    def spread(self, place: Place, target: np.ndarray, epoch: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Lay the chunks of a document over it, evenly and each epoch anew; return where they start and end.

        Chunk j of m starts at token n (j + u - 1/2) / m, u in [0, 1) drawn for the document and the epoch, but so early
        that it can be `target` tokens long; then back at the start of that sentence, or, where a full chunk is to end
        with the document, at the start of the next. Where that is more than half a chunk away it starts with a word.
        """
        size = place.stop - place.start
        bits = random_bits(seed, _PHASE, epoch, place.document)
        wanted = random_integers(bits, size) + place.chunk * size - size // 2
        offset = np.clip(wanted // place.chunks, 0, np.maximum(size - target, 0))
        position = place.start + offset
        sentence = self.store.sentences_at(position)
        start = self.store.sentence_starts(sentence)
        following = self.store.sentence_starts(sentence + 1)
        near = (self.capacity - 1) // 2  # a chunk keeps more than one token
        last = (target == self.capacity) & (offset > 0) & (offset == size - target) & (start < position)
        start = np.where(last & (following - position <= near), following, start)
        far = np.flatnonzero((position - start > near) | (last & (start < position)))
        if far.size:
            start[far] = back_to_word(self.store, place.start[far], position[far])
        return start, np.minimum(start + target, place.stop)

    def _counts(self, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
        size = stop - start
        return np.where(size < self.minimum, 0, -(-size // self.capacity))
