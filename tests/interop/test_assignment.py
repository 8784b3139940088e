from __future__ import annotations

import tracemalloc
from pathlib import Path

import keras
import ml_dtypes
import numpy as np
import pytest

from kpt.interop import assignment
from kpt.interop.assignment import assign_joined
from tests.numbers import array, normal


@pytest.mark.parametrize("block", [1, 7, 24, 1 << 22])
def test_any_block_gives_the_same(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assignment, "BLOCK", block)
    parts = [normal(3, 10).T, normal(10, 4, seed=1)]  # one of them is a turned view
    weight = keras.Variable(np.zeros((10, 7), "float32"))
    assign_joined(weight, parts)
    np.testing.assert_array_equal(array(weight.value), np.concatenate(parts, axis=-1))


def test_vectors_and_other_floats() -> None:
    weight = keras.Variable(np.zeros(5, "float32"))
    assign_joined(weight, [normal(2), normal(3, seed=1)])
    np.testing.assert_array_equal(array(weight.value), np.concatenate([normal(2), normal(3, seed=1)]))
    narrow = normal(4, 3).astype(ml_dtypes.bfloat16)
    for dtype in ("float32", "bfloat16"):
        weight = keras.Variable(np.zeros((4, 3), "float32"), dtype=dtype)
        assign_joined(weight, [narrow])
        assert keras.backend.standardize_dtype(weight.dtype) == dtype
        np.testing.assert_array_equal(array(weight.value), narrow.astype("float32"))


def test_the_weight_keeps_nothing_of_the_array() -> None:
    value = normal(8, 8)
    weight, expected = keras.Variable(np.zeros((8, 8), "float32")), value.copy()
    assign_joined(weight, [value])
    value[:] = 9.0
    np.testing.assert_array_equal(array(weight.value), expected)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.distribute is TensorFlow's")
def test_a_weight_that_is_spread_over_devices() -> None:
    import tensorflow as tf

    with tf.distribute.MirroredStrategy(["cpu:0"]).scope():
        weight = keras.Variable(np.zeros((4, 3), "float32"))
    assert hasattr(weight.value, "values")
    assign_joined(weight, [normal(4, 3)])
    for copy in weight.value.values:
        np.testing.assert_array_equal(copy.numpy(), normal(4, 3))


def test_a_weight_is_in_memory_once(tmp_path: Path) -> None:
    value = np.memmap(tmp_path / "numbers", np.float16, "w+", shape=(4096, 2048))
    weight, calls = keras.Variable(np.zeros(value.shape, "float32")), []
    before = weight.value
    tracemalloc.start()
    try:
        assign_joined(weight, [value], lambda: calls.append(1))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(calls) == 8 and peak < 12e6  # blocks of 4 MB, of a weight of 34 MB
    if keras.backend.backend() == "jax":  # which does not say so to tracemalloc
        assert before.is_deleted()
