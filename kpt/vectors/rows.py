"""The rules that hold for the words of every file of vectors, in and out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import numpy as np

from kpt.errors import InputError
from kpt.vectors.word_vectors import WordVectors

__all__ = ["Rows", "read_header", "written_words"]

_HEADER = re.compile(rb"[ \t]*(\d{1,18})[ \t]+(\d{1,9})[ \t]*\r?")
_SPACE = re.compile(r"[ \t\n\v\f\r]")
_GROWTH = 1 << 14


class Rows:
    """Takes the rows of a file one after the other.

    A word that came before is passed over, as gensim does (counted as `duplicate`); each invalid sequence of UTF-8
    becomes one U+FFFD (`invalid_utf8`), which may make two words one.

    Args:
        source: the file's name, for messages.
        dimensions: d, values of a vector.
        count: how many rows there will be; None where the file does not say.
    """

    def __init__(self, source: str, dimensions: int, count: int | None) -> None:
        self.source, self.dimensions, self.count = source, dimensions, count
        self.read = 0
        self.problems: Counter[str] = Counter()
        self._rows: dict[str, int] = {}
        self._vectors = np.empty((_GROWTH if count is None else count, dimensions), np.float32)

    def add(self, word: bytes, vector: np.ndarray) -> None:
        """Take one row."""
        self.read += 1
        try:
            text = word.decode("utf-8")
        except UnicodeDecodeError:
            text = word.decode("utf-8", "replace")
            self.problems["invalid_utf8"] += 1
        if not text:
            raise InputError(f"{self.source}: word {self.read} is empty; mend the file")
        row = len(self._rows)
        if self._rows.setdefault(text, row) != row:
            self.problems["duplicate"] += 1
            return
        if row == len(self._vectors):
            self._vectors = np.concatenate([self._vectors, np.empty_like(self._vectors)])
        self._vectors[row] = vector

    def finish(self) -> WordVectors:
        """Return all rows, once the file is at its end."""
        if not self._rows:
            raise InputError(f"{self.source} has no word; give a file with vectors")
        kept = self._vectors[: len(self._rows)]
        if len(kept) < len(self._vectors):
            kept = kept.copy()
        try:
            vectors = WordVectors(self._rows, kept)
        except InputError as error:
            raise InputError(f"{self.source}: {error}; mend the file") from error
        vectors.problems.update(self.problems)
        return vectors


def read_header(line: bytes) -> tuple[int, int] | None:
    r"""Return the numbers of words and dimensions that a first line states; None where it is no header.

    Example:
        >>> read_header(b"3000000 300\n"), read_header(b"the 0.25 1\n")
        ((3000000, 300), None)
    """
    found = _HEADER.fullmatch(line.removesuffix(b"\n"))
    return (int(found[1]), int(found[2])) if found else None


def written_words(vectors: WordVectors, space: str | None) -> Iterator[bytes]:
    """Yield the words as a format with white space around them can hold them.

    Args:
        vectors: whose words.
        space: what to write for each white-space character (of ASCII) in a word; None refuses such words.

    Raises:
        InputError: a word has white space and `space` is None, two words are the same once it is replaced, or a word
            is no text (it has half of a surrogate pair).
    """
    spaced = [word for word in vectors.words if _SPACE.search(word)]
    if spaced and space is None:
        raise InputError(
            f"{len(spaced)} of {len(vectors)} words have white space, {spaced[0]!r} first, which this format cannot "
            "hold; give space='_' to replace it, or write safetensors"
        )
    if space is not None and (not space or _SPACE.search(space)):
        raise InputError(f"space is {space!r}; give characters that are no white space")
    changed = {word: _SPACE.sub(lambda _: space or "", word) for word in spaced}
    seen: set[str] = set()
    for word, new in changed.items():
        if new in vectors or new in seen:
            raise InputError(f"the word {word!r} becomes {new!r}, which is there already; give another space")
        seen.add(new)
    for word in vectors.words:
        try:
            yield changed.get(word, word).encode("utf-8")
        except UnicodeEncodeError as error:
            raise InputError(f"the word {word!r} is no text and has no UTF-8; give it another name") from error
