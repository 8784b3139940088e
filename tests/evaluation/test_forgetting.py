from __future__ import annotations

import pytest

from kpt import InputError
from kpt.evaluation.forgetting import average_forgetting, average_score, forgetting

MATRIX = [
    [0.90, 0.50, 0.30, 0.25],
    [0.70, 0.85, 0.30, 0.25],
    [0.75, 0.60, 0.80, 0.25],
    [0.65, 0.70, 0.82, 0.95],
]


def test_a_literal_matrix() -> None:
    # of each task the best score up to the third stage, and that after the fourth
    assert forgetting(MATRIX) == pytest.approx([0.90 - 0.65, 0.85 - 0.70, 0.80 - 0.82])
    assert average_forgetting(MATRIX) == pytest.approx((0.25 + 0.15 - 0.02) / 3)
    assert average_score(MATRIX) == pytest.approx((0.65 + 0.70 + 0.82 + 0.95) / 4)


def test_the_best_score_may_be_of_a_later_stage_or_of_one_before_the_task() -> None:
    assert forgetting([[0.5, 0.9, 0], [0.8, 0.7, 0], [0.6, 0.5, 0.9]]) == pytest.approx([0.2, 0.4])


def test_after_fewer_stages() -> None:
    assert forgetting(MATRIX[:2]) == pytest.approx([0.2])
    assert forgetting(MATRIX[:1]).tolist() == [] and average_forgetting(MATRIX[:1]) == 0
    assert average_score(MATRIX[:2]) == pytest.approx((0.7 + 0.85) / 2)


@pytest.mark.parametrize("scores", [[], [0.5], [[0.5], [0.6]], [[float("nan"), 0.1]]])
def test_what_is_no_matrix_of_scores(scores: list[object]) -> None:
    with pytest.raises(InputError, match="not a finite number for each stage and each task"):
        forgetting(scores)
