"""One vector for a whole sequence, out of the vectors of its tokens."""

from __future__ import annotations

from typing import Any

from keras import ops

from kpt.errors import InputError
from kpt.layers.heads import gather_positions
from kpt.layers.token_counts import count_tokens

__all__ = ["POOLINGS", "check_pooling", "once_each", "pool_sequence"]

POOLINGS = ("mean", "distinct", "first", "last")


def pool_sequence(
    sequence: Any,
    padding_mask: Any,
    pooling: str,
    token_ids: Any = None,
    vocabulary_size: int | None = None,
) -> Any:
    r"""Return a vector for each sequence: a mean of its tokens' vectors, or that of its first or of its last token.

    .. math:: \mathrm{mean} = \sum_t m_t h_t / \sum_t m_t

    with m the padding mask, and for the mean of the distinct tokens :math:`m_t / n_t` in its place, where n is how
    often the sequence has the token t (`once_each`); they are summed in float32. The first token is the one of a model
    that sees both sides ([CLS]), the last the only one of a causal model that has seen all.

    Args:
        sequence: `[batch, length, width]`.
        padding_mask: Bool `[batch, length]`, `True` at tokens, which stand before the padding.
        pooling: `"mean"`, `"distinct"`, `"first"` or `"last"`.
        token_ids: Integers `[batch, length]`, for distinct tokens.
        vocabulary_size: Above all of these.

    Returns:
        `[batch, width]`, in the dtype of `sequence`.

    Raises:
        InputError: If the pooling is unknown.

    Example:
        >>> import numpy as np
        >>> x = np.array([[[1.0], [3.0], [3.0], [9.0]]], "float32")
        >>> mask, token_ids = np.array([[True, True, True, False]]), np.array([[5, 6, 6, 0]])
        >>> [round(float(pool_sequence(x, mask, way, token_ids, 7)[0, 0]), 2) for way in ("mean", "distinct")]
        [2.33, 2.0]
    """
    check_pooling(pooling)
    if pooling == "first":
        return sequence[:, 0]
    if pooling == "last":
        last = ops.sum(ops.cast(padding_mask, "int32"), axis=1, keepdims=True) - 1
        return gather_positions(sequence, ops.maximum(last, 0))[:, 0]
    if pooling == "distinct":
        weights = once_each(token_ids, padding_mask, vocabulary_size)
    else:
        weights = ops.cast(padding_mask, "float32")
    weights = ops.expand_dims(weights, -1)
    total = ops.sum(ops.cast(sequence, "float32") * weights, axis=1)
    return ops.cast(total / ops.maximum(ops.sum(weights, axis=1), 1.0), sequence.dtype)


def once_each(token_ids: Any, padding_mask: Any, vocabulary_size: Any) -> Any:
    """Return weights under which each distinct token of a sequence counts once, however often it stands there.

    Whether a word occurs says more of what a text is about, and of what it thinks of it, than how often it does; and
    the most frequent words say least.

    Args:
        token_ids: Integers `[batch, length]`.
        padding_mask: Bool `[batch, length]`, `True` at tokens.
        vocabulary_size: Above all ids.

    Returns:
        float32 `[batch, length]`: one over the number of times that the sequence has the token, 0 at padding.

    Example:
        >>> import numpy as np
        >>> mask = np.array([[True, True, True, False]])
        >>> np.asarray(once_each(np.array([[5, 6, 6, 0]]), mask, 7)).tolist()
        [[1.0, 0.5, 0.5, 0.0]]

    Source: Pang, Lee and Vaithyanathan 2002, "Thumbs up?", section 6.1 (presence against frequency).
    """
    counts = count_tokens(token_ids, padding_mask, vocabulary_size)
    times = ops.take_along_axis(counts, ops.cast(token_ids, "int32"), axis=1)
    return ops.cast(padding_mask, "float32") / ops.cast(ops.maximum(times, 1), "float32")


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
