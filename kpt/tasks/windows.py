"""Texts that a model reads in windows: one window a row, and one vector a text again."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
from keras import ops

__all__ = ["BackboneOutputs", "mean_of_windows", "read_backbone", "split_windows"]


class BackboneOutputs(NamedTuple):
    """What a backbone gives of texts, before any head.

    Attributes:
        outputs: the backbone's, a row a text, or a row a window.
        token_ids: integers, of the same rows.
        padding_mask: bool, `True` at tokens, likewise.
        batch: number of texts.
        columns: of the inputs.
        windowed: whether a row is a window.
    """

    outputs: dict[str, Any]
    token_ids: Any
    padding_mask: Any
    batch: Any
    columns: Any
    windowed: bool


def read_backbone(
    backbone: keras.Model, inputs: Any, length: int, windows: int, training: bool | None = None
) -> BackboneOutputs:
    """Return what a backbone gives of texts, in windows where there may be several.

    Args:
        backbone: a model such as `kpt.Encoder`.
        inputs: a dict of `token_ids`, `segment_ids` and `padding_mask`, `[batch, columns]` each.
        length: columns of a window.
        windows: windows of a text at most.
        training: as Keras has it.
    """
    # A decoder takes segments for documents that must not see each other.
    unread = () if getattr(backbone, "segments", 0) else ("segment_ids",)
    read = {name: inputs[name] for name in backbone.input if name in inputs and name not in unread}
    mask = inputs["padding_mask"]
    batch, columns = ops.shape(mask)
    if windows > 1:
        read = {name: split_windows(value, length) for name, value in read.items()}
        mask = split_windows(mask, length)
    outputs = backbone(read, training=training)
    return BackboneOutputs(outputs, read["token_ids"], mask, batch, columns, windows > 1)


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
