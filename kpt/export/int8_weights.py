r"""Weights of 8 bits in a SavedModel: what is stored is a quarter, what is computed stays in floating point.

.. math:: w_{ij} \approx s_j q_{ij}, \quad s_j = \max_i |w_{ij}| / 127, \quad q_{ij} \in \{-127, \dots, 127\}

with a scale for each column j of a matrix, or for each row, whichever comes nearer to it. Vectors, such as biases and
norms, and small matrices, such as the heads of tasks, stay as they are. A call multiplies the matrices out before it
uses them, of a table of tokens the rows that it looks up.

Source: Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", section 2.1, with the zero point at 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kpt.layers import rows_looked_up_by

__all__ = ["Int8Weights", "quantize"]

#: Numbers of a matrix that is not worth it: up to 64 kB, where the head of a classifier has the last word.
SMALL = 1 << 14


def quantize(values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers of 8 bits and their scales.

    Args:
        values: floats of any shape.
        axis: over which each scale is taken.

    Returns:
        int8 of the same shape, and float32 scales with 1 in place of the axis; their product is the values, up to half
        a scale.

    Example:
        >>> numbers, scales = quantize(np.array([[0.5, 2.54], [-1.27, 0.0]], "float32"), axis=0)
        >>> numbers.tolist(), [[round(float(scale), 4) for scale in row] for row in scales]
        ([[50, 127], [-127, 0]], [[0.01, 0.02]])
    """
    largest = np.max(np.abs(values), axis=axis, keepdims=True, initial=0.0).astype(np.float32)
    scales = np.where(largest > 0, largest / np.float32(127), np.float32(1))
    return np.clip(np.rint(values / scales), -127, 127).astype(np.int8), scales


def error(values: np.ndarray, numbers: np.ndarray, scales: np.ndarray) -> float:
    """Return the mean square of what numbers times scales are away from values."""
    return float(np.mean(np.square(numbers * scales - values)))


def row_function(numbers: tf.Variable, scales: tf.Variable) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return what gives the rows of numbers times scales, float32.

    Args:
        numbers: int8 [n, m].
        scales: float32 [n, 1] or [1, m].
    """
    return lambda ids: (
        tf.cast(tf.gather(numbers, ids), tf.float32) * (scales if scales.shape[0] == 1 else tf.gather(scales, ids))
    )


class Int8Weights(tf.Module):
    """The weights of a model, matrices in 8 bits; what it tracks is what a SavedModel of them holds.

    Args:
        weights: Keras variables.
    """

    def __init__(self, weights: Sequence[Any]) -> None:
        super().__init__()

        def large(weight: Any) -> bool:
            return len(weight.shape) > 1 and int(np.prod(weight.shape)) > SMALL

        matrices = [weight for weight in weights if large(weight)]
        # In a function they are not tracked, and so not saved beside the numbers.
        self._matrices = lambda: matrices
        self.kept = [weight.value for weight in weights if not large(weight)]
        self.numbers: list[tf.Variable] = []
        self.scales: list[tf.Variable] = []
        for weight in matrices:
            values = np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(weight, "float32")))
            numbers, scales = min((quantize(values, axis) for axis in (0, -1)), key=lambda q: error(values, *q))
            self.numbers.append(tf.Variable(numbers, trainable=False, name=f"{weight.name}_int8"))
            self.scales.append(tf.Variable(scales, trainable=False, name=f"{weight.name}_scales"))

    @property
    def sizes(self) -> tuple[int, int]:
        """Bytes of the weights, and what they would be in float32."""
        scales = sum(int(np.prod(each.shape)) for each in self.scales)
        kept = sum(int(np.prod(each.shape)) for each in self.kept)
        numbers = sum(int(np.prod(each.shape)) for each in self.numbers)
        return numbers + 4 * (scales + kept), 4 * (numbers + kept)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within, the model computes with these matrices; for the tracing of a function."""
        products = [
            tf.cast(numbers, tf.float32) * scales for numbers, scales in zip(self.numbers, self.scales, strict=True)
        ]
        matrices = self._matrices()
        values = [tf.cast(product, weight.dtype) for product, weight in zip(products, matrices, strict=True)]
        lookups = [
            (weight, row_function(*stored))
            for weight, *stored in zip(matrices, self.numbers, self.scales, strict=True)
            if len(weight.shape) == 2
        ]
        with keras.StatelessScope(list(zip(matrices, values, strict=True))), rows_looked_up_by(lookups):
            yield
