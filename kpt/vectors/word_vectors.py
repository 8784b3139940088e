"""Words and their vectors, and what is asked of them."""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import overload

import numpy as np

from kpt.errors import InputError
from kpt.vectors.nearest import nearest_rows, norms_of, unit_rows

__all__ = ["WordVectors", "as_words", "near_misses"]

_FINITE_ROWS = 1 << 14
_SEARCHED = 100_000

Query = str | np.ndarray | Sequence[str | np.ndarray]


class WordVectors:
    r"""Words, or any other symbols, each with a vector; usually the most frequent first.

    Similarity is the cosine, :math:`\cos(u, v) = u \cdot v / (|u| |v|)`; that of a vector of zeros with everything
    is 0. Every question gives what gensim's `KeyedVectors` gives on the same vectors.

    Args:
        words: n different words, none of them empty.
        vectors: [n, d] finite numbers; kept as they are where they are float32, else as float32.
        counts: how often each word occurred, integers [n]; None where that is not known.

    Attributes:
        words: the words, a tuple.
        vectors: float32 [n, d], read-only.
        counts: int64 [n], read-only, or None.
        problems: what was odd in the file that they were read from, see `load_vectors`; empty otherwise.

    Raises:
        InputError: the numbers of words, vectors and counts differ, a word is empty or comes twice, or a value is not
            finite. Each method raises it for a word that is not there, naming words that are spelled like it.

    Example:
        >>> vectors = WordVectors(["cat", "dog", "car"], [[1, 0], [0.9, 0.1], [0, 1]])
        >>> "cat" in vectors, len(vectors), vectors["dog"].tolist()
        (True, 3, [0.8999999761581421, 0.10000000149011612])
        >>> vectors.most_similar("cat", k=1)
        [('dog', 0.9938...)]
        >>> vectors["cta"]
        Traceback (most recent call last):
        ...
        kpt.errors.InputError: there is no word 'cta' among the 3; near it: 'cat', 'car'
    """

    def __init__(
        self,
        words: Iterable[str],
        vectors: np.ndarray | Sequence[Sequence[float]],
        counts: Sequence[int] | np.ndarray | None = None,
    ) -> None:
        self.words = as_words(words)
        values = np.asarray(vectors)
        if values.dtype != np.float32:
            with np.errstate(over="ignore"):  # what leaves float32's range is refused below as infinite
                values = values.astype(np.float32)
        if values.ndim != 2 or values.shape[0] != len(self.words) or values.shape[1] < 1:
            raise InputError(
                f"{len(self.words)} words have vectors of the shape {list(values.shape)}; "
                f"give [{len(self.words)}, dimensions]"
            )
        self.index: Mapping[str, int] = {word: row for row, word in enumerate(self.words)}
        if len(self.index) != len(self.words):
            twice = next(word for row, word in enumerate(self.words) if self.index[word] != row)
            raise InputError(f"the word {twice!r} comes twice; give each word one vector")
        if "" in self.index:
            raise InputError(f"word {self.index['']} is empty; give each vector a word")
        _check_finite(self.words, values)
        self.vectors = values.view()
        self.vectors.flags.writeable = False
        self.counts: np.ndarray | None = None
        if counts is not None:
            self.counts = np.array(counts, np.int64)
            if self.counts.shape != (len(self.words),) or (self.counts < 0).any():
                raise InputError(f"counts must be {len(self.words)} whole numbers from 0 up, one for each word")
            self.counts.flags.writeable = False
        self.problems: Counter[str] = Counter()

    @staticmethod
    def load(path: str | os.PathLike[str]) -> WordVectors:
        """Read a file of any format that `kpt.vectors.load_vectors` knows."""
        from kpt.vectors.files import load_vectors

        return load_vectors(path)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a file, its format told by its name, see `kpt.vectors.save_vectors`."""
        from kpt.vectors.files import save_vectors

        save_vectors(self, path)

    @property
    def dimensions(self) -> int:
        """Number of values of a vector."""
        return int(self.vectors.shape[1])

    @cached_property
    def norms(self) -> np.ndarray:
        """Length of each vector, float32 [n]; 1 for a vector of zeros."""
        return norms_of(self.vectors)

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self.index

    def __iter__(self) -> Iterator[str]:
        return iter(self.words)

    def __repr__(self) -> str:
        return f"WordVectors({len(self):,} words, {self.dimensions} dimensions)"

    @overload
    def __getitem__(self, word: str) -> np.ndarray: ...

    @overload
    def __getitem__(self, word: Sequence[str]) -> np.ndarray: ...

    def __getitem__(self, word: str | Sequence[str]) -> np.ndarray:
        """Return the vector of a word, [d], or of several, [m, d]."""
        return self.vectors[self.row(word) if isinstance(word, str) else self.rows(word)]

    def row(self, word: str) -> int:
        """Return the number of a word."""
        row = self.index.get(word)
        if row is None:
            near = ", ".join(map(repr, near_misses(word, self.words, self.index)))
            hint = f"near it: {near}" if near else "ask for words that are in .words"
            raise InputError(f"there is no word {word!r} among the {len(self):,}; {hint}")
        return row

    def rows(self, words: Sequence[str]) -> np.ndarray:
        """Return the numbers of words, int64 [m]."""
        return np.array([self.row(word) for word in words], np.int64)

    def most_similar(
        self, positive: Query = (), negative: Query = (), k: int = 10, *, restrict_vocabulary: int | None = None
    ) -> list[tuple[str, float]]:
        r"""Return the k words nearest to the sum of some vectors less others, the words asked with left out.

        .. math:: \arg\max_{w} \cos\Big(v_w, \sum_{p} \frac{v_p}{|v_p|} - \sum_{n} \frac{v_n}{|v_n|}\Big)

        Args:
            positive: a word or a vector [d], or several. Words count with length 1, vectors as long as they are.
            negative: likewise.
            k: how many words, at least 1.
            restrict_vocabulary: look among the first (most frequent) so many words alone; None looks among all.

        Returns:
            Words and their cosines, the nearest first.
        """
        query, asked = self._query(positive, negative)
        return self._nearest(query[None], [asked], k, restrict_vocabulary)[0]

    def nearest(
        self, words: Sequence[str], k: int = 10, *, restrict_vocabulary: int | None = None
    ) -> list[list[tuple[str, float]]]:
        """Return `most_similar(word, k=k)` of each word, computed together."""
        rows = self.rows(_several(words))
        return self._nearest(self.vectors[rows], [[row] for row in rows], k, restrict_vocabulary)

    def analogy(self, a: str, b: str, c: str, k: int = 1) -> list[tuple[str, float]]:
        """Return the k best words d for "a is to b as c is to d": those nearest to b - a + c.

        Source: Mikolov et al. 2013, "Linguistic Regularities in Continuous Space Word Representations".
        """
        return self.most_similar([b, c], [a], k)

    def similarity(self, first: str, second: str) -> float:
        """Return the cosine of two words."""
        return float(self.similarities([first], [second])[0])

    def similarities(self, first: Sequence[str], second: Sequence[str]) -> np.ndarray:
        """Return the cosine of each word with the one at its place in the other list, float32 [m]."""
        left, right = self.rows(_several(first)), self.rows(_several(second))
        if len(left) != len(right):
            raise InputError(f"{len(left)} words stand beside {len(right)}; give two lists of one length")
        products = np.einsum("md,md->m", self.vectors[left], self.vectors[right])
        return products / (self.norms[left] * self.norms[right])

    def doesnt_match(self, words: Sequence[str]) -> str:
        """Return the word that is farthest from the mean of all: the one of the lowest cosine with it."""
        rows = self.rows(_several(words))
        if not len(rows):
            raise InputError("no words were given; give at least one")
        unit = unit_rows(self.vectors[rows])
        return words[int(np.argmin(unit @ unit.mean(axis=0)))]

    def sentence_mean(self, words: Sequence[str], *, normalize: bool = True) -> np.ndarray:
        """Return the mean of the vectors of the words that are there, float32 [d]; zeros where none is.

        Args:
            words: a sentence, one entry a word.
            normalize: whether each vector counts with length 1, so that a word's direction alone matters.
        """
        return self.sentence_means([_several(words)], normalize=normalize)[0]

    def sentence_means(self, sentences: Iterable[Sequence[str]], *, normalize: bool = True) -> np.ndarray:
        """Return the mean of each sentence, float32 [m, d], see `sentence_mean`."""
        means = []
        for words in sentences:
            known = [self.index[word] for word in _several(words) if word in self.index]
            vectors = self.vectors[known]
            if normalize:
                vectors = vectors / self.norms[known, None]
            means.append(vectors.sum(axis=0) / max(1, len(known)))
        return np.array(means, np.float32).reshape(-1, self.dimensions)

    def _query(self, positive: Query, negative: Query) -> tuple[np.ndarray, list[int]]:
        """The direction asked for, and the rows of the words that it was made of."""
        query, asked = np.zeros(self.dimensions, np.float32), []
        terms = [(sign, term) for sign, side in ((1, positive), (-1, negative)) for term in _listed(side)]
        if not terms:
            raise InputError("nothing is asked for; give at least one positive or negative word")
        for sign, term in terms:
            if isinstance(term, str):
                asked.append(self.row(term))
                query += sign * (self.vectors[asked[-1]] / self.norms[asked[-1]])
                continue
            vector = np.asarray(term, np.float32)
            if vector.shape != query.shape or not np.isfinite(vector).all():
                raise InputError(f"a vector of the shape {list(vector.shape)} is asked for; give {len(query)} numbers")
            query += sign * vector
        return query, asked

    def _nearest(
        self, queries: np.ndarray, asked: Sequence[Sequence[int]], k: int, restrict: int | None
    ) -> list[list[tuple[str, float]]]:
        if k < 1 or (restrict is not None and restrict < 1):
            raise InputError(f"k is {k} and restrict_vocabulary {restrict}; give 1 or more")
        size = len(self) if restrict is None else min(restrict, len(self))
        banned = [[row for row in rows if row < size] for rows in asked]
        rows, cosines = nearest_rows(self.vectors[:size], queries, k, norms=self.norms[:size], excluded=banned)
        return [
            [(self.words[i], float(cosine)) for i, cosine in zip(row, values, strict=True) if cosine > -np.inf]
            for row, values in zip(rows, cosines, strict=True)
        ]


def near_misses(word: object, words: Sequence[str], index: Mapping[str, int], count: int = 3) -> list[str]:
    """Return words that are spelled like one that is not there: other cases first, then few letters changed.

    The first 100,000 words are looked through, and of these the ones that begin like it and are about as long.
    """
    if not isinstance(word, str) or not word:
        return []
    cases = [form for form in (word.lower(), word.capitalize(), word.upper()) if form in index]
    alike = [
        other
        for other in islice(words, _SEARCHED)
        if abs(len(other) - len(word)) <= 2 and other[:1].lower() == word[0].lower()
    ]
    return list(dict.fromkeys([*cases, *difflib.get_close_matches(word, alike, count)]))[:count]


def as_words(words: Iterable[str]) -> tuple[str, ...]:
    """Return words as a tuple.

    Raises:
        InputError: they are one string, not all of them are strings, or there are none.
    """
    if isinstance(words, str | bytes):
        raise InputError(f"the words are one string, {words[:40]!r}; give a list of words")
    listed = tuple(words)
    if not listed:
        raise InputError("there are no words; give at least one")
    for row, word in enumerate(listed):
        if not isinstance(word, str):
            raise InputError(f"word {row} is {type(word).__name__}, not a string; give strings")
    return listed


def _several(words: Sequence[str]) -> Sequence[str]:
    if isinstance(words, str):
        raise InputError(f"the words are one string, {words[:40]!r}; give a list of words, as text.split() does")
    return words


def _listed(side: Query) -> Sequence[str | np.ndarray]:
    return [side] if isinstance(side, str) or (isinstance(side, np.ndarray) and side.ndim == 1) else list(side)


def _check_finite(words: Sequence[str], vectors: np.ndarray) -> None:
    for begin in range(0, len(vectors), _FINITE_ROWS):
        finite = np.isfinite(vectors[begin : begin + _FINITE_ROWS]).all(axis=1)
        if not finite.all():
            row = begin + int(np.argmin(finite))
            raise InputError(f"the vector of {words[row]!r} (word {row + 1}) has a value that is no finite number")
