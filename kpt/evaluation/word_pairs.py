"""Word similarity: does the cosine of two words order pairs as people do?"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from kpt.errors import InputError
from kpt.evaluation.lines import read_lines
from kpt.evaluation.ranks import pearson_correlation, spearman_correlation
from kpt.evaluation.word_index import WordIndex
from kpt.vectors import WordVectors

__all__ = ["WordPair", "WordPairScore", "evaluate_word_pairs", "read_word_pairs"]

#: Names of the column with people's judgement: WordSim353's files and SimLex999's.
SCORE_NAMES = ("human (mean)", "simlex999", "score", "similarity")


class WordPair(NamedTuple):
    """Two words and how similar people find them."""

    first: str
    second: str
    score: float


class WordPairScore(NamedTuple):
    """How much cosines and people agree.

    Attributes:
        spearman: correlation of the orders, the figure that is published.
        pearson: correlation of the values.
        pairs: number of pairs that were compared.
        oov: number of pairs with a word that is not there, which were left out.
    """

    spearman: float
    pearson: float
    pairs: int
    oov: int

    def summary(self) -> dict[str, Any]:
        """Return the figures by name."""
        return self._asdict()


def read_word_pairs(path: str | os.PathLike[str]) -> list[WordPair]:
    r"""Read pairs of words with a score: WordSim353's tsv and csv, SimLex999's, and others of their form.

    A line is two words and a score with tabs between them, or commas where there is no tab. Lines that begin with `#`
    and empty ones are passed over. Where the first line names its columns, the score is that of `Human (mean)` or
    `SimLex999`; where it does not, the third column.

    Raises:
        InputError: a line has too few columns, an empty word or a score that is no finite number; the first line names
            no column of scores; there is no pair; or the file cannot be read. The message has the line.

    Example:
        >>> import pathlib
        >>> _ = pathlib.Path("pairs.tsv").write_text("Word 1\tWord 2\tHuman (mean)\ntiger\tcat\t7.35\n")
        >>> read_word_pairs("pairs.tsv")
        [WordPair(first='tiger', second='cat', score=7.35)]
    """
    source = os.fspath(path)
    pairs: list[WordPair] = []
    column: int | None = None
    for number, text in read_lines(path):
        fields = [field.strip() for field in text.split("\t" if "\t" in text else ",")]
        where = f"{source}, line {number}"
        if column is None:
            column = _score_column(fields, where)
            if column is not None and not _is_number(fields[column]):
                continue
            column = 2 if column is None else column
        if len(fields) <= column:
            raise InputError(
                f"{where}: {len(fields)} columns, and the score is in column {column + 1}; give two words and a score, "
                "with tabs between them"
            )
        if not (fields[0] and fields[1]):
            raise InputError(f"{where}: a word is empty; mend or remove the line")
        if not _is_number(fields[column]):
            raise InputError(f"{where}: the score {fields[column]!r} is no finite number; mend or remove the line")
        pairs.append(WordPair(fields[0], fields[1], float(fields[column])))
    if not pairs:
        raise InputError(f"{source} has no pair of words; give a file with pairs and scores")
    return pairs


def evaluate_word_pairs(
    vectors: WordVectors,
    pairs: Iterable[WordPair | tuple[str, str, float]],
    *,
    restrict_vocabulary: int | None = 300_000,
    ignore_case: bool = True,
) -> WordPairScore:
    """Compare the cosines of pairs of words with people's scores, as gensim's `evaluate_word_pairs` does.

    Args:
        vectors: the words, the most frequent first.
        pairs: as `read_word_pairs` gives them.
        restrict_vocabulary: pairs with a word that is not among the first so many are left out; None takes all.
        ignore_case: whether case makes no difference; of words that differ in it alone the first counts.

    Raises:
        InputError: fewer than two pairs have both words.

    Example:
        >>> vectors = WordVectors(["cat", "dog", "car"], [[1, 0], [0.9, 0.1], [0, 1]])
        >>> pairs = [("cat", "dog", 9.0), ("Cat", "car", 1.0), ("dog", "car", 2.0), ("cat", "unicorn", 3.0)]
        >>> evaluate_word_pairs(vectors, pairs)
        WordPairScore(spearman=1.0, pearson=0.9..., pairs=3, oov=1)

    Source: Finkelstein et al. 2002, "Placing Search in Context"; Hill et al. 2015, "SimLex-999".
    """
    index = WordIndex(vectors, restrict_vocabulary, ignore_case)
    rows, scores, oov = [], [], 0
    for first, second, score in pairs:
        left, right = index.find(first), index.find(second)
        if left is None or right is None:
            oov += 1
            continue
        rows.append((left, right))
        scores.append(score)
    if len(rows) < 2:
        raise InputError(
            f"{len(rows)} of {len(rows) + oov} pairs have both words among the {index.size:,} that count; "
            "give pairs of words that the vectors have"
        )
    left_rows, right_rows = np.array(rows).T
    cosines = np.einsum("pd,pd->p", vectors.vectors[left_rows], vectors.vectors[right_rows])
    cosines = cosines / (vectors.norms[left_rows] * vectors.norms[right_rows])
    return WordPairScore(spearman_correlation(scores, cosines), pearson_correlation(scores, cosines), len(rows), oov)


def _score_column(fields: list[str], where: str) -> int | None:
    """The column of the score by the first line: named, or the third where that is a number; None where neither is."""
    names = [field.lower() for field in fields]
    for name in SCORE_NAMES:
        if name in names:
            return names.index(name)
    if len(fields) > 2 and names[0].replace(" ", "") == "word1":
        raise InputError(f"{where} names no column of scores; call one of them {SCORE_NAMES[0]!r}")
    return None


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
