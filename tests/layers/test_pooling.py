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


@pytest.mark.parametrize("pooling", ["mean", "first", "last"])
def test_padding_is_not_seen(pooling: str) -> None:
    x = normal(3, 5, 4)
    other = np.where(MASK[:, :, None], x, 7.0).astype("float32")
    np.testing.assert_array_equal(array(pool_sequence(x, MASK, pooling)), array(pool_sequence(other, MASK, pooling)))


def test_an_unknown_pooling_is_refused() -> None:
    with pytest.raises(InputError, match="Unknown pooling 'max'; choose one of mean, first, last"):
        pool_sequence(normal(3, 5, 4), MASK, "max")
