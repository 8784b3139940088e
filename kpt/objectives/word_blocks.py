"""Passages of words in blocks, and which words of a block stand in whose window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from keras import ops

from kpt.errors import InputError

__all__ = ["WordBlocks", "logistic_losses", "window_masks", "word_blocks"]


class WordBlocks(NamedTuple):
    r"""Blocks of :math:`B` consecutive words with the :math:`W` words on either side and :math:`K` shared negatives.

    Attributes:
        centres: ids of the words of each block, int32 `[n, B]`.
        contexts: ids of these and of the words around them, int32 `[n, B + 2 W]`; id 0 beyond the ends of a passage.
        before: how many words before each centre are in its window, int32 `[n, B]`.
        after: how many words after each centre are in its window, int32 `[n, B]`.
        negatives: int32 `[n, K]`.
        centre_shares: of the centres, `[n, B, 2]`, see `kpt.data.Windows`.
        context_shares: of the contexts, `[n, B + 2 W, 2]`.
        negative_shares: of the negatives, `[n, K, 2]`.
    """

    centres: Any
    contexts: Any
    before: Any
    after: Any
    negatives: Any
    centre_shares: Any
    context_shares: Any
    negative_shares: Any


def word_blocks(inputs: Mapping[str, Any], window: int) -> WordBlocks:
    """Cut passages into the blocks that share their negatives.

    Args:
        inputs: what `kpt.data.Windows` makes.
        window: the largest window, :math:`W`.

    Raises:
        InputError: a block has fewer words than the window.
    """
    length, (blocks, negatives) = inputs["token_ids"].shape[1], inputs["negative_ids"].shape[1:]
    block = length // blocks
    if window > block:
        raise InputError(f"blocks of {block} words are shorter than the window of {window}; make the blocks longer")

    def with_neighbours(values: Any) -> tuple[Any, Any]:
        """The blocks of [rows, length, ...] alone, and with the ends of the blocks on either side."""
        rest = values.shape[2:]
        padded = ops.pad(values, ((0, 0), (window, window), *((0, 0) for _ in rest)))
        left = ops.reshape(padded[:, :length], (-1, block, *rest))[:, :window]
        right = ops.reshape(padded[:, 2 * window :], (-1, block, *rest))[:, block - window :]
        own = ops.reshape(values, (-1, block, *rest))
        return own, ops.concatenate([left, own, right], axis=1)

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
    )


def window_masks(blocks: WordBlocks, dtype: str) -> Any:
    """Return 1 where a context stands in a centre's window and 0 elsewhere, `[n, B, B + 2 W]`."""
    block, width = blocks.centres.shape[1], blocks.contexts.shape[1]
    window = (width - block) // 2
    distance = ops.arange(width, dtype="int32")[None, :] - window - ops.arange(block, dtype="int32")[:, None]
    inside = ops.logical_and(distance >= -blocks.before[:, :, None], distance <= blocks.after[:, :, None])
    return ops.cast(ops.logical_and(inside, ops.not_equal(distance, 0)), dtype)


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
