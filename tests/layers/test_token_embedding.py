from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from kpt.layers import TokenEmbedding, rows_looked_up_by
from tests.numbers import array, gradients, normal, randomize

IDS = np.array([[1, 3, 1], [0, 1, 4]], np.int32)


@pytest.mark.parametrize("tied", [True, False])
def test_there_and_back(tied: bool) -> None:
    layer = TokenEmbedding(5, 4, tied=tied)
    layer.build((None, None))
    weights = randomize(layer)
    np.testing.assert_array_equal(array(layer(IDS)), weights["embeddings"][IDS].astype("float32"))
    way_back = weights["embeddings"].T if tied else weights["reverse_embeddings"]
    x = normal(2, 3, 4)
    np.testing.assert_allclose(array(layer(x, reverse=True)), x @ way_back, atol=1e-6)
    assert set(weights) == {"embeddings"} | (set() if tied else {"reverse_embeddings"})


def test_repeated_ids_add_up_in_a_dense_gradient() -> None:
    layer = TokenEmbedding(5, 4, tied=False)
    layer.build((None, None))
    scale = normal(2, 3, 4)

    def loss() -> Any:
        return ops.sum(layer(IDS) * ops.convert_to_tensor(scale))

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            value = loss()
        found = tape.gradient(value, layer.embeddings.value)
        assert not isinstance(found, tf.IndexedSlices)
    else:
        found = gradients(loss, [layer.embeddings])[0]
    expected = np.zeros((5, 4))
    np.add.at(expected, IDS, scale)
    np.testing.assert_allclose(array(found), expected, atol=1e-6)


def test_both_ways_have_the_precision_of_the_layer() -> None:
    layer = TokenEmbedding(5, 4, dtype="mixed_bfloat16")
    layer.build((None, None))
    assert layer.embeddings.dtype == "float32"
    for result in (layer(IDS), layer(ops.ones((1, 2, 4)), reverse=True)):
        assert keras.backend.standardize_dtype(result.dtype) == "bfloat16"


def test_rows_may_come_from_a_function() -> None:
    layers = [TokenEmbedding(5, 4), TokenEmbedding(5, 4)]
    for layer in layers:
        layer.build((None, None))
        randomize(layer)
    before = [array(layer(IDS)) for layer in layers]
    stored = ops.cast(ops.ones((5, 4)), "int8")
    with rows_looked_up_by([(layers[0].embeddings, lambda ids: ops.cast(ops.take(stored, ids, axis=0), "float32"))]):
        np.testing.assert_array_equal(array(layers[0](IDS)), np.ones((2, 3, 4)))
        np.testing.assert_array_equal(array(layers[1](IDS)), before[1])
    np.testing.assert_array_equal(array(layers[0](IDS)), before[0])
