"""The ids of words, each found once: what makes encoding fast outside a graph."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat

import numpy as np

#: The table is emptied when its words have this many characters together: some 30 MB of memory.
CAPACITY = 1 << 21


class WordIds:
    """A table of the ids of the words met so far; a word is encoded when it is first met.

    Args:
        encode: returns the ids of each of the words that it is given.

    Example:
        >>> table = WordIds(lambda words: [[len(word)] * len(word) for word in words])
        >>> table.gather(table.numbers(["ab", "c", "ab"]))
        (array([2, 2, 1, 2, 2], dtype=int32), array([2, 3, 5]))
    """

    def __init__(self, encode: Callable[[list[str]], Iterable[Sequence[int]]]) -> None:
        self._encode = encode
        self._clear()

    def numbers(self, words: list[str]) -> np.ndarray:
        """Return the number of each word, int64 [n]; it holds until the next call."""
        if self._characters > CAPACITY:
            self._clear()
        numbers = np.fromiter(map(self._numbers.get, words, repeat(-1)), np.int64, len(words))
        missing = np.flatnonzero(numbers < 0).tolist()
        if missing:
            self._add(list(dict.fromkeys([words[i] for i in missing])))
            numbers[missing] = [self._numbers[words[i]] for i in missing]
        return numbers

    def gather(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the ids of words one after the other, int32 [m], and where each word's ids end, int64 [n]."""
        begins, ids = np.frombuffer(self._begins, np.int64), np.frombuffer(self._ids, np.int32)
        lengths = np.diff(begins)[numbers]
        ends = np.cumsum(lengths)
        count = int(ends[-1]) if len(ends) else 0
        return ids[np.repeat(begins[numbers] - (ends - lengths), lengths) + np.arange(count)], ends

    def _add(self, words: list[str]) -> None:
        for word, ids in zip(words, self._encode(words), strict=True):
            self._numbers[word] = len(self._numbers)
            self._ids.extend(ids)
            self._begins.append(len(self._ids))
            self._characters += len(word)

    def _clear(self) -> None:
        # The ids of word number i are ids[begins[i]:begins[i + 1]].
        self._numbers: dict[str, int] = {}
        self._begins, self._ids = array("q", [0]), array("i")
        self._characters = 0
