from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from kpt import InputError
from kpt.evaluation.regression import regression_scores


def test_scores_are_those_of_scipy() -> None:
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 6, 50).astype("float32")  # with ties
    guess = truth + generator.normal(0, 1, 50)
    scores = regression_scores(truth, guess)
    assert scores["pearson"] == pytest.approx(stats.pearsonr(truth, guess).statistic)
    assert scores["spearman"] == pytest.approx(stats.spearmanr(truth, guess).statistic)
    assert scores["mean_squared_error"] == pytest.approx(np.square(truth - guess).mean())
    assert scores["mean_absolute_error"] == pytest.approx(np.abs(truth - guess).mean())


def test_refusals() -> None:
    with pytest.raises(InputError, match="2 guesses for 3 numbers"):
        regression_scores(np.zeros(3), np.zeros(2))
