r"""How well questions are answered, as SQuAD's own scripts count it: exact match and F1 of the words."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

import numpy as np

from kpt.errors import InputError

__all__ = [
    "answer_f1",
    "answer_match",
    "answer_scores",
    "best_threshold",
    "mean_answer_scores",
    "normalize_answer",
    "question_scores",
]

PUNCTUATION = str.maketrans("", "", string.punctuation)
ARTICLES = re.compile(r"\b(a|an|the)\b", re.UNICODE)


def normalize_answer(text: str) -> str:
    """Return an answer in lower case, without the ASCII punctuation, articles and superfluous white space.

    Example:
        >>> normalize_answer("The  U.S. Army, an army")
        'us army army'

    Source: Rajpurkar et al. 2016, the official evaluation script.
    """
    return " ".join(ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)).split())


def answer_match(golds: Sequence[str], answer: str) -> float:
    """Return 1 if an answer is one of the true ones once all are normalized, else 0.

    Args:
        golds: the true answers; none of them if the question has no answer, which `""` then is.
        answer: what was answered, `""` for no answer.

    Example:
        >>> answer_match(["Anna", "the city"], "City."), answer_match([], "Anna"), answer_match([], "")
        (1.0, 0.0, 1.0)
    """
    told = normalize_answer(answer)
    return float(any(normalize_answer(gold) == told for gold in _scored(golds)))


def answer_f1(golds: Sequence[str], answer: str) -> float:
    r"""Return the F1 of the words of an answer, the greatest over the true answers.

    .. math:: F_1 = \frac{2 s}{t + g}

    of s words in common (as often as both have them), t true and g answered ones, all normalized; where one of both has
    no word, it is 1 if the other has none either, else 0.

    Args:
        golds: the true answers; none if the question has no answer.
        answer: what was answered, `""` for no answer.

    Example:
        >>> answer_f1(["in Paris", "Rome"], "the Paris of old")
        0.4

    Source: Rajpurkar et al. 2018, the official evaluation script of SQuAD 2.0.
    """
    told = normalize_answer(answer).split()
    best = 0.0
    for gold in _scored(golds):
        true = normalize_answer(gold).split()
        if not true or not told:
            best = max(best, float(true == told))
        else:
            best = max(best, 2 * (Counter(true) & Counter(told)).total() / (len(true) + len(told)))
    return best


def answer_scores(golds: Sequence[Sequence[str]], answers: Sequence[str]) -> dict[str, float]:
    """Return the means of exact match and F1 over all questions and, where both kinds occur, over either kind.

    Args:
        golds: the true answers of each question; none for a question without an answer.
        answers: what was answered, `""` for no answer.

    Returns:
        `answer_f1`, `exact_match`; where some questions have an answer and some have none also `answerable_f1`,
        `answerable_exact_match` and `unanswerable_accuracy`. All are between 0 and 1.

    Raises:
        InputError: there is no question, or not as many answers as questions.

    Example:
        >>> answer_scores([["Anna Li"], []], ["Anna", ""])["answer_f1"]
        0.833...
    """
    return mean_answer_scores(question_scores(golds, answers))


def question_scores(golds: Sequence[Sequence[str]], answers: Sequence[str]) -> np.ndarray:
    """Return float64 [questions, 3]: exact match, F1, and whether the question has an answer.

    Args:
        golds: the true answers of each question; none for a question without an answer.
        answers: what was answered, `""` for no answer.

    Raises:
        InputError: there is no question, or not as many answers as questions.

    Example:
        >>> question_scores([["Anna"], []], ["the Anna", "Anna"]).tolist()
        [[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]
    """
    if not len(golds) or len(golds) != len(answers):
        raise InputError(f"{len(answers)} answers for {len(golds)} questions; give one to each of at least one")
    return np.array(
        [
            (answer_match(some, answer), answer_f1(some, answer), bool(some))
            for some, answer in zip(golds, answers, strict=True)
        ],
        np.float64,
    )


def mean_answer_scores(scores_of_questions: np.ndarray) -> dict[str, float]:
    """Return the means that `answer_scores` has.

    Args:
        scores_of_questions: from `question_scores`, all or some of its rows.

    Example:
        >>> mean_answer_scores(np.array([[1.0, 1.0, 1.0], [0.0, 0.5, 1.0]]))
        {'answer_f1': 0.75, 'exact_match': 0.5}
    """
    matches, overlaps, answerable = scores_of_questions[:, 0], scores_of_questions[:, 1], scores_of_questions[:, 2] > 0
    scores = {"answer_f1": float(overlaps.mean()), "exact_match": float(matches.mean())}
    if answerable.any() and not answerable.all():
        scores |= {
            "answerable_f1": float(overlaps[answerable].mean()),
            "answerable_exact_match": float(matches[answerable].mean()),
            "unanswerable_accuracy": float(matches[~answerable].mean()),
        }
    return scores


def best_threshold(scores: Sequence[float], null_scores: Sequence[float], golds: Sequence[Sequence[str]]) -> float:
    """Return the threshold of the null score at which most is gained, as SQuAD 2.0 finds it.

    A question counts as one without an answer where its null score is above the threshold.

    Args:
        scores: exact match or F1 of each question if it is answered by a span.
        null_scores: how much speaks for no answer, the difference of its score to that of the span.
        golds: the true answers of each question.

    Returns:
        The least of the best thresholds: one of the null scores, or minus infinity, where none is to be answered.

    Raises:
        InputError: there is no question, or not as many scores as questions.

    Example:
        >>> best_threshold([1, 0, 1], [-2.0, 3.0, 1.0], [["a"], [], ["b"]])
        1.0

    Source: Rajpurkar et al. 2018, `find_best_thresh` of the official evaluation script.
    """
    if not len(golds) or len({len(golds), len(scores), len(null_scores)}) != 1:
        raise InputError(f"{len(scores)} scores for {len(golds)} questions; give one to each of at least one")
    gains = np.array([score if bool(some) else -1 for score, some in zip(scores, golds, strict=True)], np.float64)
    # The official script walks one question at a time; questions of one null score can only be told together.
    levels, groups = np.unique(np.asarray(null_scores, np.float64), return_inverse=True)
    totals = np.concatenate([[0.0], np.cumsum(np.bincount(groups, gains, len(levels)))])
    best = int(totals.argmax())
    return float(levels[best - 1]) if best else -np.inf


def _scored(golds: Sequence[str]) -> Sequence[str]:
    """The answers that the official script compares with: those with a word, else the empty one."""
    return [gold for gold in golds if normalize_answer(gold)] or [""]
