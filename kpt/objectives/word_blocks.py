"""Passages of words in blocks, with what the losses of word2vec have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import keras
from keras import ops

from kpt.errors import InputError

__all__ = ["WordBlocks", "kept", "logistic_losses", "neighbourhoods", "turned", "word_blocks"]


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
        return ops.reshape(values, (-1, block, *rest)), neighbourhoods(padded, piece, window)

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


def neighbourhoods(values: Any, piece: int, window: int) -> Any:
    """Cut passages into pieces that hold the ends of those on either side, too.

    Args:
        values: `[rows, length + 2 W, ...]`, with what stands beyond the ends of each passage.
        piece: words of a piece, :math:`B`, a divisor of the length.
        window: :math:`W`, at most `piece`.

    Returns:
        `[rows length / B, B + 2 W, ...]`.
    """
    rest, length = values.shape[2:], values.shape[1] - 2 * window
    left = ops.reshape(values[:, :length], (-1, piece, *rest))[:, :window]
    own = ops.reshape(values[:, window : window + length], (-1, piece, *rest))
    right = ops.reshape(values[:, 2 * window :], (-1, piece, *rest))[:, piece - window :]
    return ops.concatenate([left, own, right], axis=1)


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
