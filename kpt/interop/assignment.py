"""Weights written block by block, so that a model is hardly more than once in memory while it is read."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import keras
import numpy as np
from keras import ops

__all__ = ["BLOCK", "assign_joined"]

#: Numbers that are converted at a time.
BLOCK = 1 << 20


def assign_joined(weight: Any, values: Sequence[np.ndarray], after: Callable[[], object] = lambda: None) -> None:
    """Give a weight the arrays, joined along their last axis.

    The weight itself is written into; on JAX, whose arrays cannot be written to, by a computation that is given the
    memory of the old one for the new. A weight that `tf.distribute` has spread is there twice for a moment.

    Args:
        weight: A Keras variable.
        values: Arrays of any floats, `[..., n_i]`, whose last axes add up to the weight's; views of files too.
        after: Called after each block.
    """
    backend = keras.backend.backend()
    spread = backend == "tensorflow" and hasattr(weight.value, "values")
    small = backend == "jax" and math.prod(weight.shape) <= BLOCK  # not worth a compilation
    if small or spread or len(weight.shape) != 2:
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
        elif backend == "jax":
            target = _rows_written()(target, block, begin)
            weight.assign(target.block_until_ready())
        else:
            target.data[begin:end].copy_(block)
        del block
        after()


@cache
def _rows_written() -> Callable[[Any, Any, int], Any]:
    """A function of an array of JAX's, rows and the first one's number: the array with these, in the same memory."""
    import jax

    def written(whole: Any, block: Any, begin: int) -> Any:
        return jax.lax.dynamic_update_slice(whole, block, (begin, 0))

    return jax.jit(written, donate_argnums=0)


def _joined(values: Sequence[np.ndarray], begin: int, end: int | None) -> np.ndarray:
    """Rows of the arrays side by side, as float32, in memory of their own."""
    parts = [np.array(value[begin:end], np.float32, order="C") for value in values]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)
