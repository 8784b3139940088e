from __future__ import annotations

import numpy as np
import pytest

from kpt.errors import InputError
from kpt.evaluation.answers import answer_f1, answer_match, answer_scores, best_threshold, normalize_answer


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The Cat", "cat"),
        ("an  apple,\na pear", "apple pear"),
        ("theater", "theater"),
        ("U.S.A.", "usa"),
        ("well-known", "wellknown"),
        ("A.", ""),
        ("“quoted”", "“quoted”"),  # other than ASCII's, punctuation stays
        ("a-b", "ab"),  # punctuation goes before articles do
        ("3.5 %", "35"),
    ],
)
def test_normal_form(text: str, normal: str) -> None:
    assert normalize_answer(text) == normal


@pytest.mark.parametrize(
    ("golds", "answer", "match", "f1"),
    [
        (["the Eiffel Tower"], "Eiffel tower!", 1, 1),
        (["Paris"], "Paris, France", 0, 2 / 3),
        (["Paris", "Paris, France"], "Paris, France", 1, 1),
        (["New York City"], "York", 0, 0.5),
        (["x x y"], "x x x", 0, 2 / 3),
        (["Rome"], "Paris", 0, 0),
        ([], "", 1, 1),
        ([], "Paris", 0, 0),
        (["Paris"], "", 0, 0),
        (["the", "Paris"], "a", 0, 0),  # a true answer without words does not count beside others
    ],
)
def test_scores_of_one_answer(golds: list[str], answer: str, match: float, f1: float) -> None:
    assert answer_match(golds, answer) == match
    assert answer_f1(golds, answer) == pytest.approx(f1)


def test_means_over_both_kinds_of_questions() -> None:
    assert answer_scores([["Anna"], ["Li Bo"], [], []], ["anna", "Bo", "", "x"]) == pytest.approx(
        {
            "answer_f1": (1 + 2 / 3 + 1) / 4,
            "exact_match": 0.5,
            "answerable_f1": 5 / 6,
            "answerable_exact_match": 0.5,
            "unanswerable_accuracy": 0.5,
        }
    )
    assert answer_scores([["Anna"]], ["Bo"]) == {"answer_f1": 0, "exact_match": 0}


def test_threshold_of_no_answer() -> None:
    golds: list[list[str]] = [["a"], [], ["b"], []]
    assert best_threshold([1, 0, 1, 0], [-3.0, 0.5, -1.0, 2.0], golds) == -1.0
    assert best_threshold([1, 0], [5.0, 1.0], [[], ["b"]]) == -np.inf


def test_threshold_gains_as_much_as_trying_each() -> None:
    generator = np.random.default_rng(0)
    for _ in range(30):
        null = generator.normal(size=20).round(1)
        golds = [["a"] if some else [] for some in generator.integers(0, 2, 20)]
        scores = generator.random(20)

        def gained(
            threshold: float, null: np.ndarray = null, golds: list = golds, scores: np.ndarray = scores
        ) -> float:
            told = null <= threshold
            return sum(
                score if shown and gold else float(not shown and not gold)
                for shown, gold, score in zip(told, golds, scores, strict=True)
            )

        best = max(gained(level) for level in [-np.inf, *null])
        assert gained(best_threshold(scores.tolist(), null.tolist(), golds)) == pytest.approx(best)


def test_refusals() -> None:
    with pytest.raises(InputError, match="1 answers for 0 questions"):
        answer_scores([], ["a"])
    with pytest.raises(InputError, match="1 scores for 2 questions"):
        best_threshold([1], [0.0], [["a"], []])
