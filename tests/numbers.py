"""What numeric tests need on every backend: arrays out of tensors, random weights, and gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops


def array(tensor: Any) -> np.ndarray:
    """A tensor's numbers in float32, whatever floats it holds."""
    return np.asarray(ops.convert_to_numpy(ops.cast(tensor, "float32")))


def normal(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype("float32")


def randomize(layer: Any, seed: int = 0, scale: float = 0.3) -> dict[str, np.ndarray]:
    """Give every weight normal values, biases and scales too; return them in float64 by the end of their path."""
    generator = np.random.default_rng(seed)
    for weight in layer.weights:
        weight.assign((generator.standard_normal(weight.shape) * scale).astype("float32"))
    return weights_of(layer)


def weights_of(layer: Any) -> dict[str, np.ndarray]:
    """The weights in float64 by their paths, without the layer's own name."""
    return {
        weight.path.removeprefix(f"{layer.name}/"): array(weight.value).astype("float64") for weight in layer.weights
    }


def gradients(function: Callable[[], Any], variables: Sequence[Any]) -> list[Any]:
    """The gradients of a scalar function of no arguments with respect to Keras variables."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss = function()
        found = tape.gradient(loss, [variable.value for variable in variables])
        return [each if each is None else tf.convert_to_tensor(each) for each in found]
    if backend == "torch":
        for variable in variables:
            variable.value.grad = None
        function().backward()
        return [variable.value.grad for variable in variables]
    import jax

    def of_values(values: list[Any]) -> Any:
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return function()

    return jax.jit(jax.grad(of_values))([variable.value for variable in variables])


def compiled(function: Callable[[], Any]) -> Any:
    """The result of a function of no arguments; JAX would compile each of its operations by itself."""
    if keras.backend.backend() != "jax":
        return function()
    import jax

    def stateless() -> Any:
        with keras.StatelessScope():
            return function()

    return jax.jit(stateless)()
