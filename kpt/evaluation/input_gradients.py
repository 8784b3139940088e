"""The gradient of a function of tensors with respect to its argument, on every backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

__all__ = ["input_gradient"]


def input_gradient(function: Callable[[Any], Any], values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what a function gives for values, and the gradient of its sum.

    Args:
        function: of a float tensor of the values' shape, by `keras.ops` and layers in inference; it returns a tensor.
        values: float32.

    Returns:
        What the function returns, and the gradient, of the shape of the values.

    Example:
        >>> outputs, gradient = input_gradient(lambda x: x * x, np.array([1.0, 3.0], np.float32))
        >>> outputs.tolist(), gradient.tolist()
        ([1.0, 9.0], [2.0, 6.0])
    """
    backend = keras.backend.backend()
    x = keras.ops.convert_to_tensor(np.asarray(values, np.float32))
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = function(x)
        gradient = tape.gradient(outputs, x)
    elif backend == "jax":
        import jax

        outputs, pull_back = jax.vjp(function, x)
        (gradient,) = pull_back(keras.ops.ones_like(outputs))
    else:
        x = x.detach().requires_grad_()
        outputs = function(x)
        outputs.sum().backward()
        gradient = x.grad
        outputs = outputs.detach()
    return keras.ops.convert_to_numpy(outputs), keras.ops.convert_to_numpy(gradient)
