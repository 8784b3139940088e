"""One vector for a whole sequence, out of the vectors of its tokens."""

from __future__ import annotations

from typing import Any

from keras import ops

from kpt.errors import InputError
from kpt.layers.heads import gather_positions

__all__ = ["POOLINGS", "check_pooling", "pool_sequence"]

POOLINGS = ("mean", "first", "last")


def pool_sequence(sequence: Any, padding_mask: Any, pooling: str) -> Any:
    r"""Return a vector for each sequence: the mean of its tokens' vectors, that of its first or of its last token.

    .. math:: \mathrm{mean} = \sum_t m_t h_t / \sum_t m_t

    with m the padding mask; it is summed in float32. The first token is the one of a model that sees both sides
    ([CLS]), the last the only one of a causal model that has seen all.

    Args:
        sequence: `[batch, length, width]`.
        padding_mask: Bool `[batch, length]`, `True` at tokens, which stand before the padding.
        pooling: `"mean"`, `"first"` or `"last"`.

    Returns:
        `[batch, width]`, in the dtype of `sequence`.

    Raises:
        InputError: If the pooling is unknown.

    Example:
        >>> import numpy as np
        >>> x = np.array([[[1.0], [3.0], [9.0]]], "float32")
        >>> float(pool_sequence(x, np.array([[True, True, False]]), "mean")[0, 0])
        2.0
    """
    check_pooling(pooling)
    if pooling == "first":
        return sequence[:, 0]
    if pooling == "last":
        last = ops.sum(ops.cast(padding_mask, "int32"), axis=1, keepdims=True) - 1
        return gather_positions(sequence, ops.maximum(last, 0))[:, 0]
    weights = ops.expand_dims(ops.cast(padding_mask, "float32"), -1)
    total = ops.sum(ops.cast(sequence, "float32") * weights, axis=1)
    return ops.cast(total / ops.maximum(ops.sum(weights, axis=1), 1.0), sequence.dtype)


def check_pooling(pooling: str, more: tuple[str, ...] = ()) -> None:
    """Make sure that a pooling is known.

    Args:
        pooling: Its name.
        more: Names beside `POOLINGS` that are allowed.

    Raises:
        InputError: If it is not.
    """
    if pooling not in (*POOLINGS, *more):
        raise InputError(f"Unknown pooling {pooling!r}; choose one of {', '.join((*POOLINGS, *more))}.")
