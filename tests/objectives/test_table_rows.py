from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from kpt.objectives.table_rows import descend, mean_square, row_scale, take_rows, uniform_rows
from tests.numbers import array, compiled, normal


def test_rows_are_taken_in_the_dtype_that_is_wanted() -> None:
    table = keras.Variable(normal(5, 3))
    rows = compiled(lambda: take_rows(table, ops.convert_to_tensor(np.array([[4, 0], [0, 2]], "int32")), "float32"))
    np.testing.assert_array_equal(array(rows), array(table.value)[[[4, 0], [0, 2]]])
    half = compiled(lambda: take_rows(table, ops.convert_to_tensor(np.array([1], "int32")), "bfloat16"))
    assert keras.backend.standardize_dtype(half.dtype) == "bfloat16"


def test_gradients_of_a_row_add_up_and_other_rows_stay() -> None:
    start = normal(6, 2)
    table = keras.Variable(start)
    optimizer = keras.optimizers.SGD(0.5)
    optimizer.build([table])
    ids, rows = np.array([3, 1, 3], "int32"), np.array([[1, 2], [3, 4], [10, 20]], "float32")
    descend(optimizer, [(table, ops.convert_to_tensor(ids), ops.convert_to_tensor(rows) * row_scale(optimizer))])
    expected = start.copy()
    expected[1] -= [1.5, 2]
    expected[3] -= [5.5, 11]
    np.testing.assert_allclose(array(table.value), expected, rtol=1e-6)
    assert int(ops.convert_to_numpy(optimizer.iterations.value)) == 1


def test_first_rows_are_even_within_the_limit_and_follow_the_seed() -> None:
    drawn = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        drawn.append(array(uniform_rows(0.5)((2050, 30), "float32")))
    first, again, other = drawn
    assert first.shape == (2050, 30) and first.dtype == np.float32
    np.testing.assert_array_equal(first, again)
    assert not np.any(np.all(first == other, axis=1))
    assert len(np.unique(first, axis=0)) == 2050
    counts = np.histogram(first, bins=10, range=(-0.5, 0.5))[0]
    assert counts.sum() == first.size and np.abs(counts / first.size - 0.1).max() < 0.006


def test_the_mean_square_is_that_of_the_rows_of_all_tensors() -> None:
    several = normal(3, 2, 4, seed=1), normal(5, 4, seed=2)
    lengths = np.concatenate([np.square(each).sum(axis=-1).ravel() for each in several])
    found = [array(mean_square(*map(ops.convert_to_tensor, some))) for some in (several, several[:1], several[1:])]
    assert found == pytest.approx([lengths.mean(), lengths[:6].mean(), lengths[6:].mean()], rel=1e-5)
