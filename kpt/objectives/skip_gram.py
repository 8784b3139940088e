"""Skip-gram: each word predicts the words of its window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops

from kpt.objectives.word_blocks import WordBlocks, logistic_losses, turned, window_masks

__all__ = ["skip_gram_gradients", "skip_gram_loss", "skip_gram_softmax_loss"]

Take = Callable[[Any], Any]
Rates = tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]


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

    Args:
        vectors: gives the rows of ids.
        contexts: gives the rows of ids.
        blocks: see `word_blocks`.
        negatives: per pair.
        rates: two functions that give the factors on the gradients of the vectors, and of the contexts' vectors, from
            the words' shares and the rows of the other table that the gradients depend on. To multiply here costs next
            to nothing.
        measured: the loss is that of every so-manieth block; logarithms cost as much as products.

    Returns:
        Ids `[m]` and gradients `[m, width]` of the vectors; the same of the contexts' vectors; then loss and number of
        pairs of the measured blocks. An id may occur several times: its gradients add up.
    """
    logits, positives, weights, rows, targets = _logits(vectors, contexts, blocks, negatives)
    slope = weights * ops.sigmoid(logits) - positives
    row_rates = rates[0](blocks.centre_shares, targets)
    target_rates = rates[1](ops.concatenate([blocks.context_shares, blocks.negative_shares], axis=1), rows)
    slope = ops.cast(slope, rows.dtype)
    row_gradients = ops.matmul(turned(slope), targets) * ops.cast(row_rates, rows.dtype)[:, :, None]
    target_gradients = ops.matmul(slope, rows) * ops.cast(target_rates, rows.dtype)[:, :, None]
    some = slice(None, None, measured)
    loss = logistic_losses(logits[some], positives[some], weights[some])
    target_ids = ops.concatenate([blocks.contexts, blocks.negatives], axis=1)
    return (
        _flat(blocks.centres, row_gradients),
        _flat(target_ids, target_gradients),
        loss,
        ops.sum(positives[some]),
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


def _flat(ids: Any, gradients: Any) -> tuple[Any, Any]:
    return ops.reshape(ids, (-1,)), ops.reshape(gradients, (-1, gradients.shape[-1]))
