"""Which words stand in whose window, and the sums over windows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

from kpt.objectives.word_blocks import WordBlocks, kept, neighbourhoods, turned

__all__ = ["spread_over_windows", "window_masks", "window_places", "window_products", "window_sums"]


def window_masks(blocks: WordBlocks, dtype: str, by_context: bool = False, more: int = 0) -> Any:
    """Return 1 where a context stands in a centre's window and 0 elsewhere.

    Args:
        blocks: see `word_blocks`.
        dtype: of the result.
        by_context: whether the contexts are the rows, and not the columns.
        more: so many zeros follow the contexts.

    Returns:
        `[n S / B, B, B + 2 W + more]`, or `[n S / B, B + 2 W + more, B]` with `by_context`.
    """
    width = blocks.contexts.shape[1]
    piece = width - 2 * blocks.window
    context = ops.arange(width + more, dtype="int32")[None, :]
    distance = context - blocks.window - ops.arange(piece, dtype="int32")[:, None]
    if more:
        distance = ops.where(context < width, distance, 0)  # no word stands in its own window
    shape = (-1, piece, 1)
    if by_context:
        distance, shape = ops.transpose(distance), (-1, 1, piece)
    before, after = (ops.reshape(reach, shape) for reach in (blocks.before, blocks.after))
    inside = ops.logical_and(distance >= -before, distance <= after)
    return ops.cast(ops.logical_and(inside, ops.not_equal(distance, 0)), dtype)


def window_places(blocks: WordBlocks, dtype: str) -> Any:
    """Return 1 for each place in the windows of the centres where a word stands, and 0 elsewhere.

    Args:
        blocks: see `word_blocks`.
        dtype: of the result.

    Returns:
        `[2 W + 1, n S / B, B]`, the place in the middle being the centre's own.
    """
    window, count = blocks.window, blocks.contexts.shape[1] - 2 * blocks.window
    distance = ops.arange(-window, window + 1, dtype="int32")[:, None, None]
    before, after = (ops.reshape(reach, (-1, count)) for reach in (blocks.before, blocks.after))
    inside = ops.logical_and(distance >= -before, distance <= after)
    return ops.cast(ops.logical_and(inside, ops.not_equal(distance, 0)), dtype)


def window_products(rows: Any, others: Any, blocks: WordBlocks, piece: int) -> Any:
    """Return the products of each centre with the words at the places of its window.

    They are taken out of the products of small matrices: of pieces of the centres with all words around them.

    Args:
        rows: of the centres, `[n S / B, B, width]`.
        others: of the contexts, `[n S / B, B + 2 W, width]`.
        blocks: see `word_blocks`.
        piece: centres of a product, a divisor of :math:`B`, at least :math:`W`.

    Returns:
        `[2 W + 1, n S / B, B]`.
    """
    window, width = blocks.window, rows.shape[-1]
    around = piece + 2 * window
    near = neighbourhoods(others, piece, window)
    products = ops.matmul(ops.reshape(rows, (-1, piece, width)), turned(near))
    # Row i of a product has its window from column i on. In rows that are longer by one all begin at the first column.
    flat = ops.pad(ops.reshape(products, (-1, piece * around)), ((0, 0), (0, piece)))
    places = ops.reshape(flat, (-1, piece, around + 1))[:, :, : 2 * window + 1]
    return ops.transpose(ops.reshape(places, (-1, rows.shape[1], 2 * window + 1)), (2, 0, 1))


def window_sums(rows: Any, blocks: WordBlocks, factors: Any = None) -> Any:
    """Return the sum of the rows in the window of each centre.

    On JAX by a pass over all rows for each place in a window, of which XLA makes one loop on the CPU, the longer the
    pieces the better; elsewhere by a product with the masks, which is faster there, of short pieces.

    Args:
        rows: of the contexts, `[n S / B, B + 2 W, width]`.
        blocks: see `word_blocks`.
        factors: on the rows at the places of each window, `[2 W + 1, n S / B, B]`, 0 where no word of the window
            stands (the centre's own place is left out); by default 1 where one does, as `window_places` has it.

    Returns:
        `[n S / B, B, width]`.
    """
    if factors is None and keras.backend.backend() != "jax":
        return ops.matmul(window_masks(blocks, rows.dtype), rows)
    window, count = blocks.window, rows.shape[1] - 2 * blocks.window
    total: Any = 0.0
    for distance, factor in _factors(blocks, factors, count, margin=0):
        total = total + rows[:, window + distance : window + distance + count] * factor
    return ops.cast(total, rows.dtype)


def spread_over_windows(rows: Any, blocks: WordBlocks, factors: Any = None) -> Any:
    """Return for each context the sum of the rows of the centres in whose windows it stands, as `window_sums` does.

    Args:
        rows: of the centres, `[n S / B, B, width]`.
        blocks: see `word_blocks`.
        factors: see `window_sums`.

    Returns:
        `[n S / B, B + 2 W, width]`.
    """
    if factors is None and keras.backend.backend() != "jax":
        return ops.matmul(window_masks(blocks, rows.dtype, by_context=True), rows)
    window, count = blocks.window, rows.shape[1]
    padded = kept(ops.pad(rows, ((0, 0), (2 * window, 2 * window), (0, 0))))
    total: Any = 0.0
    for distance, factor in _factors(blocks, factors, count, margin=2 * window):
        own = slice(window - distance, window - distance + count + 2 * window)
        total = total + padded[:, own] * factor[:, own]
    return ops.cast(total, rows.dtype)


def _factors(blocks: WordBlocks, factors: Any, count: int, margin: int) -> Iterator[tuple[int, Any]]:
    """Give each distance within a window, and the factors of the centres on the word there, `[n S / B, B, 1]`."""
    sides = ((0, 0), (margin, margin))
    if factors is None:  # from how far the windows reach, XLA has them at once; to write them down takes longer
        before, after = (ops.pad(ops.reshape(reach, (-1, count)), sides) for reach in (blocks.before, blocks.after))
        for distance in range(1, blocks.window + 1):
            yield -distance, ops.cast(before >= distance, "float32")[:, :, None]
            yield distance, ops.cast(after >= distance, "float32")[:, :, None]
        return
    for distance in range(-blocks.window, blocks.window + 1):
        if distance:
            yield distance, ops.pad(factors[blocks.window + distance], sides)[:, :, None]
