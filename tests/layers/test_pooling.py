from __future__ import annotations

import numpy as np
import pytest

from kpt import InputError
from kpt.layers import pool_sequence
from tests.numbers import array, normal

MASK = np.arange(5) < np.array([[5], [3], [1]])


def test_each_pooling_takes_the_tokens_it_names() -> None:
    x = normal(3, 5, 4)
    mean = [x[row, :size].astype("float64").mean(axis=0) for row, size in enumerate((5, 3, 1))]
    np.testing.assert_allclose(array(pool_sequence(x, MASK, "mean")), mean, atol=1e-6)
    np.testing.assert_array_equal(array(pool_sequence(x, MASK, "first")), x[:, 0])
    np.testing.assert_array_equal(array(pool_sequence(x, MASK, "last")), x[[0, 1, 2], [4, 2, 0]])


def test_each_distinct_token_counts_once() -> None:
    x, token_ids = normal(3, 5, 4), np.array([[7, 2, 7, 3, 7], [5, 5, 9, 5, 1], [4, 4, 4, 4, 4]])
    of_each: list[dict[int, np.ndarray]] = []
    for row, size in enumerate((5, 3, 1)):
        ids = token_ids[row, :size]
        of_each.append({token: x[row, :size][ids == token].astype("float64").mean(axis=0) for token in set(ids)})
    expected = [np.mean(list(means.values()), axis=0) for means in of_each]
    np.testing.assert_allclose(array(pool_sequence(x, MASK, "distinct", token_ids, 10)), expected, atol=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "distinct", "first", "last"])
def test_padding_is_not_seen(pooling: str) -> None:
    x, token_ids = normal(3, 5, 4), np.array([[1, 2, 1, 2, 3], [1, 1, 2, 0, 0], [3, 0, 0, 0, 0]])
    other, others = np.where(MASK[:, :, None], x, 7.0).astype("float32"), np.where(MASK, token_ids, 1)
    np.testing.assert_array_equal(
        array(pool_sequence(x, MASK, pooling, token_ids, 4)), array(pool_sequence(other, MASK, pooling, others, 4))
    )


def test_an_unknown_pooling_is_refused() -> None:
    with pytest.raises(InputError, match="Unknown pooling 'max'; choose one of mean, distinct, first, last"):
        pool_sequence(normal(3, 5, 4), MASK, "max")
