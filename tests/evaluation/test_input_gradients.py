from __future__ import annotations

import keras
import numpy as np

from kpt.evaluation.input_gradients import input_gradient


def test_the_gradient_of_a_sum() -> None:
    values = np.array([[0.5, -1.0], [2.0, 0.0]], np.float32)
    outputs, gradient = input_gradient(lambda x: keras.ops.sum(keras.ops.exp(x) * x, axis=1), values)
    np.testing.assert_allclose(outputs, (np.exp(values) * values).sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(gradient, np.exp(values) * (1 + values), rtol=1e-5, atol=1e-6)
