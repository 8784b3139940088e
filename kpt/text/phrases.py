"""Phrases: pairs of words that stand together more often than by chance, made one word."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TypeVar

from kpt.errors import InputError
from kpt.text.document import Document, refuse_one_string
from kpt.text.words_splitting import WordSplitter

__all__ = ["Phrases"]

_Text = TypeVar("_Text", str, Document)


class Phrases:
    r"""Joins pairs of words, `new york` to `new_york`, that stand together more often than their counts suggest.

    .. math:: \mathrm{score}(a, b) = \frac{(n_{ab} - m)\, V}{n_a\, n_b}

    A pair is a phrase if its score is above the threshold; :math:`m` is the minimum frequency and :math:`V` the number
    of different words and pairs that were counted, as in word2vec's code and in gensim. A text is read from left to
    right; what has become part of a phrase begins no other. To find phrases of three and four words, train another one
    on texts that these phrases have been applied to: `Phrases.train(phrases.apply(texts))`.

    An object is a function from text to text, so that it can stand among the steps of `Corpus(..., clean=[phrases])`.
    Line ends stay where they are, and no phrase goes across one; other white space becomes a space.

    Args:
        scores: the phrases, the two words with a space between them, and their scores.
        delimiter: what stands between the words of a phrase (gensim: `delimiter`).
        lowercase: whether letters are made lower case.

    Raises:
        InputError: the delimiter is empty or has white space, or a phrase is not of two words.

    Example:
        >>> texts = ["new york is in new england", "a new day in new york", "new york"]
        >>> phrases = Phrases.train(texts, minimum_frequency=1, threshold=1.0)
        >>> phrases("so new york is new")
        'so new_york is new'

    Source: Mikolov et al. 2013, "Distributed Representations of Words and Phrases", section 4.
    """

    def __init__(self, scores: dict[str, float], *, delimiter: str = "_", lowercase: bool = False) -> None:
        if not delimiter or delimiter.split() != [delimiter]:
            raise InputError(f"the delimiter is {delimiter!r}; give one without white space, such as _")
        for phrase in scores:
            if len(phrase.split()) != 2:
                raise InputError(f"the phrase {phrase!r} is not of two words with a space between them")
        self.scores, self.delimiter, self.lowercase = dict(scores), delimiter, lowercase
        self._pairs = {tuple(phrase.split()) for phrase in scores}
        self._split = WordSplitter(lowercase=lowercase)

    @classmethod
    def train(
        cls,
        corpus: Iterable[str | Document],
        *,
        minimum_frequency: int = 5,
        threshold: float = 10.0,
        delimiter: str = "_",
        lowercase: bool = False,
    ) -> Phrases:
        """Find the phrases of a corpus.

        In memory are the different words and pairs of neighbours in the corpus.

        Args:
            corpus: texts or documents, read once; words stand between white space.
            minimum_frequency: of a phrase, and what its count is lowered by (gensim: `min_count`).
            threshold: the lowest score (gensim: `threshold`).
            delimiter: what stands between the words of a phrase.
            lowercase: whether letters are made lower case.

        Raises:
            InputError: the corpus is one string or path, or a number is out of its range.
        """
        refuse_one_string(corpus)
        if minimum_frequency < 1:
            raise InputError(f"minimum_frequency is {minimum_frequency}; give 1 or more")
        if not threshold > 0:
            raise InputError(f"the threshold is {threshold}; give a number above 0")
        split = WordSplitter(lowercase=lowercase)
        words: Counter[str] = Counter()
        pairs: Counter[tuple[str, str]] = Counter()
        for document in corpus:
            for line in (document if isinstance(document, str) else document.text).splitlines():
                found = split(line)
                words.update(found)
                pairs.update(pairwise(found))
        size = len(words) + len(pairs)
        scores = {
            f"{first} {second}": (count - minimum_frequency) / words[first] / words[second] * size
            for (first, second), count in pairs.items()
            if count >= minimum_frequency
        }
        above = {phrase: score for phrase, score in scores.items() if score > threshold}
        return cls(dict(sorted(above.items())), delimiter=delimiter, lowercase=lowercase)

    def __call__(self, text: str) -> str:
        """Return a text with its phrases joined."""
        return "\n".join(" ".join(self.join(self._split(line))) for line in text.split("\n"))

    def join(self, words: list[str]) -> list[str]:
        """Return a list of words with its phrases joined."""
        joined: list[str] = []
        i, last = 0, len(words) - 1
        while i <= last:
            if i < last and (words[i], words[i + 1]) in self._pairs:
                joined.append(f"{words[i]}{self.delimiter}{words[i + 1]}")
                i += 2
            else:
                joined.append(words[i])
                i += 1
        return joined

    def apply(self, corpus: Iterable[_Text]) -> Iterator[_Text]:
        """Yield texts or documents with their phrases joined."""
        refuse_one_string(corpus)
        for document in corpus:
            if isinstance(document, str):
                yield self(document)
            else:
                yield dataclasses.replace(document, text=self(document.text))
