from __future__ import annotations

import keras
import numpy as np
from keras import ops

from kpt.objectives.table_rows import descend, row_scale, take_rows
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
