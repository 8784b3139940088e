"""The key/value cache of causal attention: what a decoder remembers of the tokens before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras
from keras import ops

__all__ = ["empty_cache", "visible_slots", "write_cache", "written_by_selection"]

_BY_SELECTION: ContextVar[bool] = ContextVar("by_selection", default=False)


@contextmanager
def written_by_selection() -> Iterator[None]:
    """Within it, `write_cache` chooses for each slot between old and new, instead of updating a slice.

    On TensorFlow the update of a slice is an operation of XLA's, which a graph for TensorFlow Serving must not have. A
    selection copies the cache; attention reads all of it in each step anyway.
    """
    token = _BY_SELECTION.set(True)
    try:
        yield
    finally:
        _BY_SELECTION.reset(token)


def empty_cache(batch: int, key_value_heads: int, length: int, depth: int, dtype: str) -> tuple[Any, Any]:
    """Return the zeroed cache of one attention layer.

    Heads stand before slots, so that a step's products with the whole cache read it in the order it lies in memory.

    Args:
        batch: Number of sequences.
        key_value_heads: Number of heads of keys and values.
        length: Number of slots, one a token.
        depth: Width of one head.
        dtype: Of the keys and values.

    Returns:
        Keys and values, `[batch, key_value_heads, length, depth]` each.
    """
    shape = (batch, key_value_heads, length, depth)
    return ops.zeros(shape, dtype=dtype), ops.zeros(shape, dtype=dtype)


def write_cache(cache: Any, new: Any, index: Any) -> Any:
    """Return the keys (or the values) of a cache with new ones written at a slot.

    The given cache is not to be used any more: PyTorch, which would else copy all of it for each token, writes into
    it; the other backends do the same where they are compiled and the old cache is not read again.

    Args:
        cache: `[batch, key_value_heads, length, depth]`.
        new: `[batch, tokens, key_value_heads, depth]`, as attention makes them.
        index: The slot of the first of them, an integer scalar. `index + tokens` must not pass `length`.

    Returns:
        `[batch, key_value_heads, length, depth]`.
    """
    new = ops.cast(ops.transpose(new, (0, 2, 1, 3)), cache.dtype)
    if keras.backend.backend() == "torch" and not new.requires_grad:
        slots = ops.cast(index, "int64")
        slots = slots.reshape(1) if new.shape[2] == 1 else slots + ops.arange(new.shape[2], dtype="int64")
        return cache.index_copy_(2, slots, new)
    if _BY_SELECTION.get():
        return _selected(cache, new, index)
    zero = ops.zeros((), dtype="int32")
    return ops.slice_update(cache, [zero, zero, ops.cast(index, "int32"), zero], new)


def _selected(cache: Any, new: Any, index: Any) -> Any:
    """The cache with new keys `[batch, key_value_heads, tokens, depth]` in the slots from `index` on."""
    tokens = ops.shape(new)[2]
    offset = ops.arange(ops.shape(cache)[2], dtype="int32") - ops.cast(index, "int32")
    inside = ops.logical_and(offset >= 0, offset < tokens)[:, None]
    if new.shape[2] != 1:  # one token is for every slot
        new = ops.take(new, ops.clip(offset, 0, tokens - 1), axis=2)
    return ops.where(inside, new, cache)


def visible_slots(length: Any, tokens: Any, index: Any, key_mask: Any = None) -> Any:
    """Return which slots of a cache each new token attends to: its own and those before it that hold a token.

    Args:
        length: Number of slots.
        tokens: Number of new tokens.
        index: The slot of the first of them, an integer scalar.
        key_mask: Booleans `[batch, length]`, `True` at slots that hold a token; by default all do.

    Returns:
        Booleans `[batch or 1, 1, tokens, length]`.
    """
    newest = ops.cast(index, "int32") + ops.arange(tokens, dtype="int32")
    visible = (ops.arange(length, dtype="int32")[None, :] <= newest[:, None])[None, None]
    return visible if key_mask is None else ops.logical_and(visible, ops.cast(key_mask, "bool")[:, None, None, :])
