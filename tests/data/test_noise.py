from __future__ import annotations

import numpy as np
import pytest

from kpt.data.noise import AliasTable, keep_probabilities, noise_distribution
from kpt.errors import InputError


def test_frequent_words_stay_less_often() -> None:
    counts = np.array([0, 9000, 900, 90, 10])
    # sqrt(t / f) + t / f with t = 0.01 and f = 0.9, 0.09, 0.009, 0.001
    np.testing.assert_allclose(keep_probabilities(counts, 0.01), [0, 0.11652, 0.44444, 1, 1], atol=1e-5)
    assert keep_probabilities(counts, 0).tolist() == [0, 1, 1, 1, 1]


def test_a_threshold_out_of_range_is_refused() -> None:
    with pytest.raises(InputError, match="sample is 2"):
        keep_probabilities(np.ones(3), 2)


def test_negatives_have_the_counts_to_the_power_of_three_quarters() -> None:
    np.testing.assert_allclose(noise_distribution(np.array([0, 1, 16, 81])), [0, 1 / 36, 8 / 36, 27 / 36])
    np.testing.assert_allclose(noise_distribution(np.array([3, 1]), 0.0), [0.5, 0.5])
    np.testing.assert_allclose(noise_distribution(np.array([3, 0, 1]), -1.0), [0.25, 0, 0.75])
    with pytest.raises(InputError, match="no word has a count"):
        noise_distribution(np.zeros(3))


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_what_is_drawn_has_the_distribution(size: int) -> None:
    weights = np.random.default_rng(1).exponential(size=size) ** 3
    weights[: size // 3] = 0
    probabilities = weights / weights.sum()
    draws = 200_000
    found = np.bincount(AliasTable(probabilities).draw(np.random.default_rng(2), draws), minlength=size)
    deviation = np.sqrt(draws * probabilities * (1 - probabilities))
    assert (np.abs(found - draws * probabilities) <= 4.5 * deviation + 3).all()
    assert found[probabilities == 0].sum() == 0


def test_the_table_holds_the_distribution_exactly() -> None:
    probabilities = np.array([0.1, 0.2, 0.3, 0.4])
    table = AliasTable(probabilities)
    total = table._own.astype(float).copy()
    np.add.at(total, table._alias, 1 - table._own.astype(float))
    np.testing.assert_allclose(total / 4, probabilities, atol=1e-7)
    assert table.draw(np.random.default_rng(0), (2, 3)).shape == (2, 3)
