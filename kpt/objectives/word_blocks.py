"""Passages of words in blocks, and which words of a block stand in whose window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import keras
from keras import ops

from kpt.errors import InputError

__all__ = [
    "WordBlocks",
    "kept",
    "logistic_losses",
    "spread_over_windows",
    "turned",
    "window_masks",
    "window_sums",
    "word_blocks",
]


class WordBlocks(NamedTuple):
    r"""Blocks of :math:`S` consecutive words that share :math:`K` negatives, and the words around them.

    For the windows a block may be cut further, or blocks of a passage be taken together, into pieces of :math:`B` words
    with the :math:`W` words on either side.

    Attributes:
        centres: ids of the words of each block, int32 `[n, S]`.
        contexts: ids of the words of each piece and of those around it, int32 `[n S / B, B + 2 W]`; id 0 beyond the
            ends of a passage.
        before: how many words before each centre are in its window, int32 `[n, S]`.
        after: how many words after each centre are in its window, int32 `[n, S]`.
        negatives: int32 `[n, K]`.
        centre_shares: of the centres, `[n, S, 2]`, see `kpt.data.Windows`.
        context_shares: of the contexts, `[n S / B, B + 2 W, 2]`.
        negative_shares: of the negatives, `[n, K, 2]`.
        window: :math:`W`.
    """

    centres: Any
    contexts: Any
    before: Any
    after: Any
    negatives: Any
    centre_shares: Any
    context_shares: Any
    negative_shares: Any
    window: int


def word_blocks(inputs: Mapping[str, Any], window: int, piece: int | None = None) -> WordBlocks:
    """Cut passages into the blocks that share their negatives.

    Args:
        inputs: what `kpt.data.Windows` makes.
        window: the largest window, :math:`W`.
        piece: :math:`B`, a divisor of :math:`S` or a multiple; by default :math:`S` itself.

    Raises:
        InputError: a block or piece has fewer words than the window.
    """
    length, (blocks, negatives) = inputs["token_ids"].shape[1], inputs["negative_ids"].shape[1:]
    block = length // blocks
    piece = piece or block
    if window > (least := min(block, piece)):
        raise InputError(f"blocks of {least} words are shorter than the window of {window}; make the blocks longer")

    def with_neighbours(values: Any) -> tuple[Any, Any]:
        """The blocks of [rows, length, ...] alone, and the pieces with the ends of those on either side."""
        rest = values.shape[2:]
        padded = ops.pad(values, ((0, 0), (window, window), *((0, 0) for _ in rest)))
        left = ops.reshape(padded[:, :length], (-1, piece, *rest))[:, :window]
        right = ops.reshape(padded[:, 2 * window :], (-1, piece, *rest))[:, piece - window :]
        own = ops.reshape(values, (-1, piece, *rest))
        return ops.reshape(values, (-1, block, *rest)), ops.concatenate([left, own, right], axis=1)

    centres, contexts = with_neighbours(inputs["token_ids"])
    centre_shares, context_shares = with_neighbours(inputs["token_shares"])
    return WordBlocks(
        centres,
        contexts,
        ops.reshape(inputs["before"], (-1, block)),
        ops.reshape(inputs["after"], (-1, block)),
        ops.reshape(inputs["negative_ids"], (-1, negatives)),
        centre_shares,
        context_shares,
        ops.reshape(inputs["negative_shares"], (-1, negatives, 2)),
        window,
    )


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


def window_sums(rows: Any, blocks: WordBlocks) -> Any:
    """Return the sum of the rows in the window of each centre.

    On JAX by a pass over all rows for each place in a window, of which XLA makes one loop on the CPU, the longer the
    pieces the better; elsewhere by a product with the masks, which is faster there, of short pieces.

    Args:
        rows: of the contexts, `[n S / B, B + 2 W, width]`.
        blocks: see `word_blocks`.

    Returns:
        `[n S / B, B, width]`.
    """
    if keras.backend.backend() != "jax":
        return ops.matmul(window_masks(blocks, rows.dtype), rows)
    window, count = blocks.window, rows.shape[1] - 2 * blocks.window
    total = None
    for distance, inside in _places(blocks, count, 0):
        term = rows[:, window + distance : window + distance + count] * inside
        total = term if total is None else total + term
    return ops.cast(total, rows.dtype)


def spread_over_windows(rows: Any, blocks: WordBlocks) -> Any:
    """Return for each context the sum of the rows of the centres in whose windows it stands, as `window_sums` does.

    Args:
        rows: of the centres, `[n S / B, B, width]`.
        blocks: see `word_blocks`.

    Returns:
        `[n S / B, B + 2 W, width]`.
    """
    if keras.backend.backend() != "jax":
        return ops.matmul(window_masks(blocks, rows.dtype, by_context=True), rows)
    window, count = blocks.window, rows.shape[1]
    padded = kept(ops.pad(rows, ((0, 0), (2 * window, 2 * window), (0, 0))))
    total = None
    for distance, inside in _places(blocks, count, 2 * window):
        own = slice(window - distance, window - distance + count + 2 * window)
        term = padded[:, own] * inside[:, own]
        total = term if total is None else total + term
    return ops.cast(total, rows.dtype)


def _places(blocks: WordBlocks, count: int, margin: int) -> Iterator[tuple[int, Any]]:
    """Give each distance within a window, and 1 for the centres whose windows reach so far, `[n S / B, B, 1]`."""
    before, after = (
        ops.pad(ops.reshape(reach, (-1, count)), ((0, 0), (margin, margin))) for reach in (blocks.before, blocks.after)
    )
    for distance in range(1, blocks.window + 1):
        yield -distance, ops.cast(before >= distance, "float32")[:, :, None]
        yield distance, ops.cast(after >= distance, "float32")[:, :, None]


def kept(values: Any) -> Any:
    """Return values that XLA is to write to memory, and not to compute anew wherever they are read."""
    if keras.backend.backend() != "jax":
        return values
    import jax

    return jax.lax.optimization_barrier(values)


def turned(matrices: Any) -> Any:
    """Return matrices `[n, rows, columns]` with rows and columns exchanged, in memory too.

    On the CPU a product with such a copy is faster than one with a transpose that is only noted, and XLA would make the
    one the other.
    """
    return kept(ops.swapaxes(matrices, 1, 2))


def logistic_losses(logits: Any, positives: Any, weights: Any) -> Any:
    r"""Return :math:`\sum_i w_i \log(1 + e^{z_i}) - y_i z_i`.

    With :math:`w = y = 1` an addend is :math:`-\log \sigma(z)`, with :math:`y = 0` it is
    :math:`-w \log \sigma(-z)`.

    Args:
        logits: :math:`z`, any shape.
        positives: :math:`y`, the same shape.
        weights: :math:`w`, the same shape.

    Returns:
        A scalar.
    """
    return ops.sum(ops.subtract(weights * ops.softplus(logits), positives * logits))
