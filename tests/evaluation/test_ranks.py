from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from kpt import InputError
from kpt.evaluation import pearson_correlation, spearman_correlation
from kpt.evaluation.ranks import ranks


@pytest.mark.parametrize("seed", range(5))
def test_they_are_scipys_ties_included(seed: int) -> None:
    generator = np.random.default_rng(seed)
    x = generator.integers(0, 2 + 5 * seed, 50).astype(float)
    y = x + generator.integers(0, 9, 50)
    np.testing.assert_array_equal(ranks(x), stats.rankdata(x))
    assert spearman_correlation(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    assert pearson_correlation(x, y) == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-12)


def test_ends_of_the_scale() -> None:
    assert spearman_correlation([1, 2, 3], [-1, -2, -30]) == -1
    assert spearman_correlation([1, 2, 3], [4, 4, 4]) == 0
    assert pearson_correlation([1, 2], [4, 9]) == 1
    assert ranks([]).tolist() == []


@pytest.mark.parametrize(("x", "y"), [([1], [2]), ([1, 2], [1, 2, 3]), ([[1, 2]], [[1, 2]]), ([1, np.nan], [1, 2])])
def test_what_has_no_correlation_is_refused(x: list[float], y: list[float]) -> None:
    for correlation in (pearson_correlation, spearman_correlation):
        with pytest.raises(InputError, match=r"at least 2|no finite number"):
            correlation(x, y)
