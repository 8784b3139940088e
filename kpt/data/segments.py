"""Examples of one segment, for objectives that need no pairs."""

from __future__ import annotations

import numpy as np

from kpt.data.chunks import Chunks
from kpt.data.permutation import permute, random_bits
from kpt.data.sequences import single_sequences
from kpt.data.store import TokenStore
from kpt.errors import InputError

__all__ = ["Segments", "check_settings", "epoch_order"]

_ORDER = 0x0DE5


class Segments:
    """Makes [CLS] tokens [SEP]: consecutive sentences of one document, cut where the length is full.

    An epoch has as many examples as chunks of `length - 2` tokens are needed to cover each document; their order is a
    pseudo-random permutation, anew each epoch. Example n is a pure function of (store, seed, n).

    Args:
        store: the documents.
        length: tokens of a sequence, [CLS] and [SEP] included.
        seed: of all that is random.

    Raises:
        InputError: the length is below 3 or the seed is not in 0 ... 2^63 - 1.
    """

    def __init__(self, store: TokenStore, *, length: int = 128, seed: int = 0) -> None:
        check_settings(length, 3, seed)
        self.store, self.length, self.seed = store, length, seed
        self.vocabulary = store.vocabulary
        self.chunks = Chunks(store, length - 2)

    @property
    def examples_per_epoch(self) -> int:
        """Examples until every document has been gone through once."""
        return len(self.chunks)

    def examples(self, step: int, batch_size: int, rows: slice = slice(None)) -> dict[str, np.ndarray]:
        """Return the examples `step * batch_size` to `(step + 1) * batch_size - 1`, or some rows of them.

        Returns:
            token_ids int32, segment_ids int32, padding_mask bool, [rows, length] each.
        """
        numbers = step * batch_size + np.arange(batch_size)[rows]
        epoch, number = epoch_order(numbers, len(self.chunks), self.seed)
        start, end = self.chunks.spread(self.chunks.find(number), np.asarray(self.length - 2), epoch, self.seed)
        return single_sequences(self.store, self.vocabulary, self.length, start, end - start)


def epoch_order(numbers: np.ndarray, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return for each example number its epoch and which of the epoch's `size` chunks it gets."""
    epoch, number = np.divmod(numbers, size)
    return epoch, permute(number, size, key=random_bits(seed, _ORDER, epoch))


def check_settings(length: int, minimum: int, seed: int) -> None:
    """Refuse a length without room for a token a segment, and a seed that is no number of 63 bits."""
    if length < minimum:
        raise InputError(f"the length is {length}; give at least {minimum}, the special tokens and one token a segment")
    if not 0 <= seed < 1 << 63:
        raise InputError(f"the seed is {seed}; give a number from 0 to 2^63 - 1")
