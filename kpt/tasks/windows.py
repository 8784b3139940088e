"""Texts that a model reads in windows: one window a row, and one vector a text again."""

from __future__ import annotations

from typing import Any

from keras import ops

__all__ = ["mean_of_windows", "split_windows"]


def split_windows(values: Any, length: int) -> Any:
    """Return the windows of each row, one below the other.

    Args:
        values: `[batch, columns]`.
        length: Columns of a window.

    Returns:
        `[batch * windows, length]`, the last window of each row filled up with zeros (`False`); the values as they are
        where they have no more columns than a window.

    Example:
        >>> import numpy as np
        >>> np.asarray(split_windows(np.array([[1, 2, 3], [4, 5, 6]]), 2)).tolist()
        [[1, 2], [3, 0], [4, 5], [6, 0]]
    """
    batch, columns = ops.shape(values)[:2]
    window = min(columns, length) if isinstance(columns, int) else ops.minimum(columns, length)
    missing = -columns % window
    filled = ops.concatenate([values, ops.zeros((batch, missing), dtype=values.dtype)], axis=1)
    return ops.reshape(filled, (-1, window))


def mean_of_windows(vectors: Any, padding_mask: Any, batch: Any) -> Any:
    r"""Return for each text the mean of its windows' vectors, of those that have a token.

    Args:
        vectors: `[batch * windows, width]`.
        padding_mask: Bool `[batch * windows, length]`, `True` at tokens.
        batch: Number of texts.

    Returns:
        `[batch, width]`, in the dtype of `vectors`; it is summed in float32.

    Example:
        >>> import numpy as np
        >>> mask = np.array([[True], [True], [True], [False]])
        >>> np.asarray(mean_of_windows(np.array([[1.0], [3.0], [5.0], [9.0]], "float32"), mask, 2)).tolist()
        [[2.0], [5.0]]
    """
    width = vectors.shape[-1]
    read = ops.reshape(ops.cast(ops.any(padding_mask, axis=1), "float32"), (batch, -1, 1))
    total = ops.sum(ops.reshape(ops.cast(vectors, "float32"), (batch, -1, width)) * read, axis=1)
    return ops.cast(total / ops.maximum(ops.sum(read, axis=1), 1.0), vectors.dtype)
