from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from kpt import InputError
from kpt.evaluation.bootstrap import bootstrap_intervals


def test_the_interval_is_that_of_scipy() -> None:
    right = np.random.default_rng(0).random(200) < 0.7
    (low, high) = bootstrap_intervals(lambda rows: {"accuracy": right[rows].mean()}, 200, resamples=4000)["accuracy"]
    expected = stats.bootstrap((right,), np.mean, method="percentile", n_resamples=4000, rng=1).confidence_interval
    assert low == pytest.approx(expected.low, abs=0.01)
    assert high == pytest.approx(expected.high, abs=0.01)
    assert low < right.mean() < high


def test_each_score_has_its_interval_and_the_seed_decides() -> None:
    values = np.arange(20.0)

    def scores(rows: np.ndarray) -> dict[str, float]:
        return {"mean": values[rows].mean(), "largest": values[rows].max()}

    once = bootstrap_intervals(scores, 20, resamples=50, seed=1)
    assert once == bootstrap_intervals(scores, 20, resamples=50, seed=1)
    assert once != bootstrap_intervals(scores, 20, resamples=50, seed=2)
    assert set(once) == {"mean", "largest"} and once["largest"][1] == 19


def test_a_score_that_some_draws_lack_has_its_interval_from_the_others() -> None:
    values = np.array([0.0, 1.0, 1.0, 1.0])
    drawn = []

    def scores(rows: np.ndarray) -> dict[str, float]:
        drawn.append(rows)
        return {"mean": values[rows].mean()} | ({"share": (rows == 0).mean()} if (rows == 0).any() else {})

    found = bootstrap_intervals(scores, 4, resamples=40, seed=3)
    with_it = [(rows == 0).mean() for rows in drawn if (rows == 0).any()]
    assert 0 < len(with_it) < 40
    assert found["share"] == [round(end, 4) for end in np.quantile(with_it, [0.025, 0.975])]
    late = iter([{"a": 1.0}, {"a": 1.0, "b": 2.0}])
    assert bootstrap_intervals(lambda rows: next(late), 4, resamples=2) == {"a": [1.0, 1.0], "b": [2.0, 2.0]}


def test_refusals() -> None:
    with pytest.raises(InputError, match="0 texts"):
        bootstrap_intervals(lambda rows: {}, 0)
