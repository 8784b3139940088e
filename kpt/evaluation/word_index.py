"""The words of vectors as a test asks for them: the most frequent ones, in any case."""

from __future__ import annotations

import numpy as np

from kpt.errors import InputError
from kpt.vectors import WordVectors

__all__ = ["WordIndex"]


class WordIndex:
    """Finds words among the first of some vectors; of several that differ in case alone, the first.

    Args:
        vectors: the words, the most frequent first.
        restrict_vocabulary: how many of them count; None counts all.
        ignore_case: whether words that differ in case alone are one word.

    Attributes:
        size: number of words that count.
        group: int64 [size], the same number for words that are one.

    Raises:
        InputError: `restrict_vocabulary` is not positive.

    Example:
        >>> index = WordIndex(WordVectors(["Paris", "paris", "rome"], [[1], [2], [3]]), None, True)
        >>> index.find("PARIS"), index.find("ROME"), index.find("oslo"), index.group.tolist()
        (0, 2, None, [0, 0, 2])
    """

    def __init__(self, vectors: WordVectors, restrict_vocabulary: int | None, ignore_case: bool) -> None:
        if restrict_vocabulary is not None and restrict_vocabulary < 1:
            raise InputError(f"restrict_vocabulary is {restrict_vocabulary}; give 1 or more words")
        self.ignore_case = ignore_case
        words = vectors.words[:restrict_vocabulary]
        self.size = len(words)
        self._first: dict[str, int] = {}
        self.group = np.array([self._first.setdefault(self.key(word), row) for row, word in enumerate(words)], np.int64)

    def key(self, word: str) -> str:
        """Return what words that are one have in common."""
        return word.upper() if self.ignore_case else word

    def find(self, word: str) -> int | None:
        """Return the row of a word; None where it is not among those that count."""
        return self._first.get(self.key(word))
