from __future__ import annotations

import keras
import numpy as np
from keras import ops

from kpt.layers import SegmentEmbedding
from tests.numbers import array, gradients, normal

IDS = np.array([[0, 0, 1], [2, 1, 1]], np.int32)


def test_each_token_gets_its_segments_vector() -> None:
    layer = SegmentEmbedding(3, 4)
    layer.build()
    table = normal(3, 4)
    layer.set_weights([table])
    np.testing.assert_array_equal(array(layer(IDS)), table[IDS])


def test_the_gradient_is_dense_and_adds_up() -> None:
    layer = SegmentEmbedding(3, 4)
    layer.build()
    (gradient,) = gradients(lambda: ops.sum(layer(IDS)), layer.trainable_variables)
    assert array(gradient).tolist() == [[2] * 4, [3] * 4, [1] * 4]
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            total = ops.sum(layer(IDS))
        assert isinstance(tape.gradient(total, layer.embeddings.value), tf.Tensor)  # no slices
