"""Analogies: is the word nearest to b - a + c the d of "a is to b as c is to d"?"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from kpt.errors import InputError
from kpt.evaluation.lines import read_lines
from kpt.evaluation.word_index import WordIndex
from kpt.vectors import WordVectors
from kpt.vectors.nearest import CELLS, cosines_to_all, unit_rows

__all__ = ["AnalogyScore", "SectionScore", "evaluate_analogies", "read_analogies"]

Question = tuple[str, str, str, str]


class SectionScore(NamedTuple):
    """Questions of one section.

    Attributes:
        correct: questions that were answered rightly.
        questions: questions that were asked.
        oov: questions with a word that is not there, which were not asked.
    """

    correct: int
    questions: int
    oov: int

    @property
    def accuracy(self) -> float:
        """Share of the questions asked that were answered rightly; 0 where none was asked."""
        return self.correct / self.questions if self.questions else 0.0

    def summary(self) -> dict[str, Any]:
        """Return the figures by name."""
        return {"accuracy": self.accuracy, **self._asdict()}


class AnalogyScore(NamedTuple):
    """Questions of each section, and all together."""

    sections: Mapping[str, SectionScore]
    total: SectionScore

    def summary(self) -> dict[str, Any]:
        """Return the figures by name, those of the sections under `sections`."""
        sections = {name: section.summary() for name, section in self.sections.items()}
        return {**self.total.summary(), "sections": sections}


def read_analogies(path: str | os.PathLike[str]) -> dict[str, list[Question]]:
    r"""Read questions in the form of word2vec's `questions-words.txt`, by section.

    A line `: NAME` begins a section; each other line is a question, four words with white space between them.

    Raises:
        InputError: a line has not four words or comes before the first section, a section has no name or a name that
            was there before, there is no question, or the file cannot be read. The message has the line.

    Example:
        >>> import pathlib
        >>> _ = pathlib.Path("questions.txt").write_text(": family\nboy girl king queen\n")
        >>> read_analogies("questions.txt")
        {'family': [('boy', 'girl', 'king', 'queen')]}
    """
    source = os.fspath(path)
    sections: dict[str, list[Question]] = {}
    current: list[Question] | None = None
    for number, text in read_lines(path):
        where = f"{source}, line {number}"
        if text.startswith(":"):
            name = text.removeprefix(":").strip()
            if not name or name in sections:
                raise InputError(f"{where}: the section's name {name!r} is empty or was there before; name it anew")
            current = sections.setdefault(name, [])
            continue
        words = text.split()
        if current is None:
            raise InputError(f"{where}: a question before the first section; begin with a line ': NAME'")
        if len(words) != 4:
            raise InputError(f"{where}: {len(words)} words where a question has four; mend or remove the line")
        current.append((words[0], words[1], words[2], words[3]))
    if not any(sections.values()):
        raise InputError(f"{source} has no question; give a file of analogies")
    return sections


def evaluate_analogies(
    vectors: WordVectors,
    sections: Mapping[str, Sequence[Question]],
    *,
    restrict_vocabulary: int | None = 300_000,
    ignore_case: bool = True,
) -> AnalogyScore:
    r"""Answer analogies, as gensim's `evaluate_word_analogies` does, many at a time.

    .. math:: \hat{d} = \arg\max_{w \notin \{a, b, c\}}
              \cos\Big(v_w, \frac{v_b}{|v_b|} - \frac{v_a}{|v_a|} + \frac{v_c}{|v_c|}\Big)

    Args:
        vectors: the words, the most frequent first.
        sections: as `read_analogies` gives them.
        restrict_vocabulary: questions with a word that is not among the first so many are not asked, and answers are
            sought among these alone; None takes all.
        ignore_case: whether case makes no difference; of words that differ in it alone the first counts.

    Raises:
        InputError: there is no question of words that are all there.

    Example:
        >>> vectors = WordVectors(["boy", "girl", "king", "queen"], [[1, 0, 0.1], [0, 1, 0.1], [1, 0, 1], [0, 1, 1]])
        >>> evaluate_analogies(vectors, {"family": [("Boy", "Girl", "King", "Queen")]}).total
        SectionScore(correct=1, questions=1, oov=0)

    Source: Mikolov et al. 2013, "Efficient Estimation of Word Representations in Vector Space".
    """
    index = WordIndex(vectors, restrict_vocabulary, ignore_case)
    questions, section_of, oov = [], [], dict.fromkeys(sections, 0)
    for name, section in sections.items():
        for question in section:
            rows = [index.find(word) for word in question]
            if None in rows:
                oov[name] += 1
            else:
                questions.append(rows)
                section_of.append(name)
    if not questions:
        raise InputError(
            f"none of the {sum(oov.values())} questions has all its words among the {index.size:,} that count; "
            "give questions about words that the vectors have"
        )
    right = _answered(vectors, index, np.array(questions, np.int64))
    scores = {}
    for name in sections:
        mine = right[[section == name for section in section_of]]
        scores[name] = SectionScore(int(mine.sum()), len(mine), oov[name])
    return AnalogyScore(scores, SectionScore(int(right.sum()), len(right), sum(oov.values())))


def _answered(vectors: WordVectors, index: WordIndex, questions: np.ndarray) -> np.ndarray:
    """Whether the best answer to each question [q, 4] is the expected one, bool [q]."""
    values, norms = vectors.vectors[: index.size], vectors.norms[: index.size]
    members = defaultdict(list)
    for row, group in enumerate(index.group.tolist()):
        members[group].append(row)
    right = np.zeros(len(questions), np.bool_)
    step = max(1, CELLS // index.size)
    for begin in range(0, len(questions), step):
        a, b, c, expected = questions[begin : begin + step].T
        unit = {name: values[rows] / norms[rows, None] for name, rows in (("a", a), ("b", b), ("c", c))}
        cosines = cosines_to_all(values, norms, unit_rows(unit["b"] - unit["a"] + unit["c"]))
        for cells, asked in zip(cosines, questions[begin : begin + step, :3].tolist(), strict=True):
            cells[[row for group in asked for row in members[group]]] = -np.inf
        right[begin : begin + step] = index.group[cosines.argmax(axis=1)] == index.group[expected]
    return right
