"""Weights written block by block, so that a model is hardly more than once in memory while it is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

__all__ = ["BLOCK", "assign_joined"]

#: Numbers that are converted at a time.
BLOCK = 1 << 20


def assign_joined(weight: Any, values: Sequence[np.ndarray], after: Callable[[], object] = lambda: None) -> None:
    """Give a weight the arrays, joined along their last axis.

    TensorFlow and PyTorch write into the weight itself. JAX's arrays cannot be written to, so that a weight is there
    twice for a moment; and so it is with a weight that `tf.distribute` has spread.

    Args:
        weight: A Keras variable.
        values: Arrays of any floats, `[..., n_i]`, whose last axes add up to the weight's; views of files too.
        after: Called after each block.
    """
    backend = keras.backend.backend()
    spread = backend == "tensorflow" and hasattr(weight.value, "values")
    if backend == "jax" or spread or len(weight.shape) != 2:
        # `ops.array` copies in any case: JAX would go on to read a view of a file from that file.
        weight.assign(ops.array(values[0] if len(values) == 1 else _joined(values, 0, None), dtype=weight.dtype))
        after()
        return
    target = weight.value
    rows = max(1, BLOCK // weight.shape[-1])
    for begin in range(0, weight.shape[0], rows):
        end = min(begin + rows, weight.shape[0])
        block = ops.cast(_joined(values, begin, end), weight.dtype)
        if backend == "tensorflow":
            # What `target[begin:end].assign` leaves behind keeps a copy of the whole weight alive.
            target.scatter_nd_update(np.arange(begin, end)[:, None], block)
        else:
            target.data[begin:end].copy_(block)
        del block
        after()


def _joined(values: Sequence[np.ndarray], begin: int, end: int | None) -> np.ndarray:
    """Rows of the arrays side by side, as float32, in memory of their own."""
    parts = [np.array(value[begin:end], np.float32, order="C") for value in values]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)
