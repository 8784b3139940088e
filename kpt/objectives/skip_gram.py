"""Skip-gram: each word predicts the words of its window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops

from kpt.objectives.word_blocks import WordBlocks, kept, logistic_losses, turned
from kpt.objectives.word_windows import (
    spread_over_windows,
    window_masks,
    window_places,
    window_products,
    window_sums,
)

__all__ = ["skip_gram_gradients", "skip_gram_loss", "skip_gram_softmax_loss"]

Take = Callable[[Any], Any]
Rates = tuple[Callable[..., Any], Callable[..., Any]]


def skip_gram_loss(vectors: Take, contexts: Take, blocks: WordBlocks, negatives: float) -> tuple[Any, Any]:
    r"""Return the sum of the losses of all pairs of a word :math:`w` and a word :math:`c` of its window.

    .. math:: -\log \sigma(v'_c \cdot v_w) - \frac{k}{K} \sum_{i=1}^{K} \log \sigma(-v'_{n_i} \cdot v_w)

    The :math:`K` negatives are those of the block; as each is drawn from :math:`P_n`, the expectation is that of
    :math:`k` negatives drawn for the pair alone.

    Args:
        vectors: gives the rows :math:`v` of ids.
        contexts: gives the rows :math:`v'` of ids.
        blocks: see `word_blocks`.
        negatives: :math:`k`.

    Returns:
        The loss in nats and the number of pairs, float32 scalars.

    Source: Mikolov et al. 2013, "Distributed Representations of Words and Phrases", equation 4.
    """
    logits, positives, weights, _, _ = _logits(vectors, contexts, blocks, negatives)
    return logistic_losses(logits, positives, weights), ops.sum(positives)


def skip_gram_gradients(
    vectors: Take, contexts: Take, blocks: WordBlocks, negatives: float, rates: Rates, measured: int = 1
) -> tuple[tuple[Any, Any], tuple[Any, Any], Any, Any]:
    """Return the gradients of `skip_gram_loss` as rows, with far less arithmetic than differentiating it.

    Where the pieces are the blocks, products of small matrices have all pairs of a block at once, most of which lie
    outside of the windows. Where a piece has several blocks, as a whole passage, the windows are summed up by
    `kpt.objectives.word_windows`, which is faster on JAX, as measured on the CPU.

    Args:
        vectors: gives the rows of ids.
        contexts: gives the rows of ids.
        blocks: see `word_blocks`.
        negatives: per pair.
        rates: two functions that give the factors on the gradients of the vectors, and of the contexts' vectors, from
            the words' shares and the rows of the other table, one tensor or two, that the gradients depend on. To
            multiply here costs next to nothing.
        measured: the loss is that of every so-manieth block; logarithms cost as much as products.

    Returns:
        Ids `[m]` and gradients `[m, width]` of the vectors; the same of the contexts' vectors; then loss and number of
        pairs of the measured blocks. An id may occur several times: its gradients add up.
    """
    if blocks.contexts.shape[1] > blocks.centres.shape[1] + 2 * blocks.window:
        return _gradients_by_places(vectors, contexts, blocks, negatives, rates, measured)
    logits, positives, weights, rows, targets = _logits(vectors, contexts, blocks, negatives)
    slope = weights * ops.sigmoid(logits) - positives
    own = slice(blocks.window, blocks.contexts.shape[1] - blocks.window)
    row_rates = rates[0](blocks.centre_shares, targets[:, own], targets[:, blocks.contexts.shape[1] :])
    target_rates = rates[1](ops.concatenate([blocks.context_shares, blocks.negative_shares], axis=1), rows)
    slope = ops.cast(slope, rows.dtype)
    row_gradients = ops.matmul(turned(slope), targets) * ops.cast(row_rates, rows.dtype)[:, :, None]
    target_gradients = ops.matmul(slope, rows) * ops.cast(target_rates, rows.dtype)[:, :, None]
    some = slice(None, None, measured)
    loss = logistic_losses(logits[some], positives[some], weights[some])
    target_ids = ops.concatenate([blocks.contexts, blocks.negatives], axis=1)
    return (
        (ops.reshape(blocks.centres, (-1,)), _flat(row_gradients)),
        (ops.reshape(target_ids, (-1,)), _flat(target_gradients)),
        loss,
        ops.sum(positives[some]),
    )


def _gradients_by_places(
    vectors: Take, contexts: Take, blocks: WordBlocks, negatives: float, rates: Rates, measured: int
) -> tuple[tuple[Any, Any], tuple[Any, Any], Any, Any]:
    """What `skip_gram_gradients` returns."""
    rows, near, shared = vectors(blocks.centres), contexts(blocks.contexts), contexts(blocks.negatives)
    dtype, (block, width) = rows.dtype, rows.shape[1:]

    def in_pieces(values: Any) -> Any:
        return ops.reshape(values, (-1, near.shape[1] - 2 * blocks.window, values.shape[-1]))

    own = ops.cast(window_products(in_pieces(rows), near, blocks, block), "float32")
    others = kept(ops.cast(ops.matmul(shared, ops.swapaxes(rows, 1, 2)), "float32"))
    places = window_places(blocks, "float32")
    weight = ops.cast(blocks.before + blocks.after, "float32")[:, None, :] * (negatives / shared.shape[1])
    own_slope = kept(places * (ops.sigmoid(own) - 1.0))
    other_slope = ops.cast(weight * ops.sigmoid(others), dtype)
    row_gradients = ops.reshape(window_sums(near, blocks, own_slope), (-1, block, width))
    row_gradients = row_gradients + ops.matmul(turned(other_slope), shared)
    near_gradients = spread_over_windows(in_pieces(rows), blocks, own_slope)
    shared_gradients = ops.matmul(other_slope, rows)
    row_rates = rates[0](blocks.centre_shares, near[:, blocks.window : near.shape[1] - blocks.window], shared)
    near_rates, shared_rates = (rates[1](shares, rows) for shares in (blocks.context_shares, blocks.negative_shares))
    some = slice(None, None, measured)
    own, places = (ops.reshape(each, (len(each), -1, block))[:, some] for each in (own, places))
    loss = logistic_losses(own, places, places) + ops.sum(weight[some] * ops.softplus(others[some]))
    target_gradients = [
        _flat(each * ops.cast(rate, dtype)[:, :, None])
        for each, rate in ((near_gradients, near_rates), (shared_gradients, shared_rates))
    ]
    return (
        (ops.reshape(blocks.centres, (-1,)), _flat(row_gradients * ops.cast(row_rates, dtype)[:, :, None])),
        (
            ops.concatenate([ops.reshape(ids, (-1,)) for ids in (blocks.contexts, blocks.negatives)], axis=0),
            ops.concatenate(target_gradients, axis=0),
        ),
        loss,
        ops.sum(places),
    )


def skip_gram_softmax_loss(vectors: Take, table: Any, blocks: WordBlocks) -> tuple[Any, Any]:
    r"""Return the sum of :math:`-\log p(c \mid w)` over all pairs under the full softmax.

    .. math:: p(c \mid w) = \frac{e^{v'_c \cdot v_w}}{\sum_{u} e^{v'_u \cdot v_w}}

    Args:
        vectors: gives the rows :math:`v` of ids.
        table: all :math:`v'`, `[vocabulary, width]`.
        blocks: see `word_blocks`.

    Returns:
        The loss in nats and the number of pairs, float32 scalars.
    """
    rows = vectors(blocks.centres)
    masks = window_masks(blocks, "float32")
    normalizers = ops.logsumexp(ops.cast(ops.matmul(rows, ops.transpose(table)), "float32"), axis=-1)
    logits = ops.matmul(rows, ops.swapaxes(ops.take(table, blocks.contexts, axis=0), 1, 2))
    return ops.sum(masks * (normalizers[:, :, None] - ops.cast(logits, "float32"))), ops.sum(masks)


def _logits(vectors: Take, contexts: Take, blocks: WordBlocks, negatives: float) -> tuple[Any, Any, Any, Any, Any]:
    """Products of all contexts and negatives of a block with all its centres, [n, B + 2 W + K, B], and their weights.

    One product for both is faster than two, although most of a block's pairs lie outside of the windows.
    """
    rows = vectors(blocks.centres)
    targets = contexts(ops.concatenate([blocks.contexts, blocks.negatives], axis=1))
    logits = ops.cast(ops.matmul(targets, ops.swapaxes(rows, 1, 2)), "float32")
    shared, band = blocks.negatives.shape[1], blocks.contexts.shape[1]
    positives = window_masks(blocks, "float32", by_context=True, more=shared)
    pairs = ops.cast(blocks.before + blocks.after, "float32") * (negatives / shared)
    is_context = ops.arange(band + shared, dtype="int32")[:, None] < band
    weights = ops.where(is_context, positives, pairs[:, None, :])
    return logits, positives, weights, rows, targets


def _flat(rows: Any) -> Any:
    return ops.reshape(rows, (-1, rows.shape[-1]))
