"""CBOW: the words of a window together predict the word in its middle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops

from kpt.objectives.word_blocks import WordBlocks, kept, logistic_losses, turned
from kpt.objectives.word_windows import spread_over_windows, window_sums

__all__ = ["cbow_gradients", "cbow_loss", "cbow_softmax_loss"]

Take = Callable[[Any], Any]
Rates = tuple[Callable[..., Any], Callable[..., Any]]


def cbow_loss(vectors: Take, contexts: Take, blocks: WordBlocks, negatives: float) -> tuple[Any, Any]:
    r"""Return the sum of the losses of all words :math:`w` that have others in their window :math:`C`.

    .. math:: -\log \sigma(v'_w \cdot h) - \frac{k}{K} \sum_{i=1}^{K} \log \sigma(-v'_{n_i} \cdot h), \quad
        h = \frac{1}{|C|} \sum_{c \in C} v_c

    The :math:`K` negatives are those of the block. Each :math:`v_c` receives the gradient of :math:`h` itself and not
    its share :math:`1 / |C|` of it, as in word2vec's code and in gensim (`cbow_mean=1`): the forward pass takes the
    mean, the backward pass that of the sum.

    Args:
        vectors: gives the rows :math:`v` of ids.
        contexts: gives the rows :math:`v'` of ids.
        blocks: see `word_blocks`.
        negatives: :math:`k`.

    Returns:
        The loss in nats and the number of words predicted, float32 scalars.

    Source: Mikolov et al. 2013, "Efficient Estimation of Word Representations in Vector Space", section 3.1, with
    "Distributed Representations of Words and Phrases", equation 4.
    """
    means = _means(vectors(blocks.contexts), blocks)
    predicted = _predicted(blocks)
    own = ops.cast(ops.sum(means * contexts(blocks.centres), axis=-1), "float32")
    others = ops.cast(ops.matmul(means, ops.swapaxes(contexts(blocks.negatives), 1, 2)), "float32")
    weights = ops.broadcast_to(predicted[:, :, None] * (negatives / others.shape[2]), ops.shape(others))
    loss = logistic_losses(own, predicted, predicted) + logistic_losses(others, ops.zeros_like(others), weights)
    return loss, ops.sum(predicted)


def cbow_gradients(
    vectors: Take, contexts: Take, blocks: WordBlocks, negatives: float, rates: Rates, measured: int = 1
) -> tuple[tuple[Any, Any], tuple[Any, Any], Any, Any]:
    """Return the gradients of `cbow_loss` as rows; arguments and results are those of `skip_gram_gradients`."""
    rows = kept(vectors(blocks.contexts))
    dtype, width = rows.dtype, rows.shape[-1]
    counts = ops.cast(blocks.before + blocks.after, "float32")
    share = ops.cast(1.0 / ops.maximum(counts, 1.0), dtype)[:, :, None]
    means = kept(_in_blocks(window_sums(rows, blocks), blocks) * share)
    targets, shared = contexts(blocks.centres), contexts(blocks.negatives)
    predicted = _predicted(blocks)
    own = ops.cast(ops.sum(means * targets, axis=-1), "float32")
    others = ops.cast(ops.matmul(shared, ops.swapaxes(means, 1, 2)), "float32")
    own_slope = predicted * (ops.sigmoid(own) - 1.0)
    weight = (predicted * (negatives / shared.shape[1]))[:, None, :]
    other_slope = ops.cast(weight * ops.sigmoid(others), dtype)
    row_rates = rates[0](blocks.context_shares, targets, shared)
    own_rates = rates[1](blocks.centre_shares, means)
    other_rates = rates[1](blocks.negative_shares, means)
    mean_gradients = ops.cast(own_slope, dtype)[:, :, None] * targets + ops.matmul(turned(other_slope), shared)
    mean_gradients = ops.reshape(mean_gradients, (-1, rows.shape[1] - 2 * blocks.window, width))
    row_gradients = spread_over_windows(mean_gradients, blocks) * ops.cast(row_rates, dtype)[:, :, None]
    own_gradients = ops.cast(own_slope * own_rates, dtype)[:, :, None] * means
    other_gradients = ops.matmul(other_slope, means) * ops.cast(other_rates, dtype)[:, :, None]
    target_gradients = ops.concatenate([own_gradients, other_gradients], axis=1)
    some = slice(None, None, measured)
    loss = logistic_losses(own[some], predicted[some], predicted[some])
    loss = loss + ops.sum(weight[some] * ops.softplus(others[some]))
    target_ids = ops.concatenate([blocks.centres, blocks.negatives], axis=1)
    return (
        (ops.reshape(blocks.contexts, (-1,)), ops.reshape(row_gradients, (-1, width))),
        (ops.reshape(target_ids, (-1,)), ops.reshape(target_gradients, (-1, width))),
        loss,
        ops.sum(predicted[some]),
    )


def cbow_softmax_loss(vectors: Take, table: Any, blocks: WordBlocks) -> tuple[Any, Any]:
    r"""Return the sum of :math:`-\log p(w \mid C)` under the full softmax, :math:`p \propto e^{v'_w \cdot h}`.

    Args:
        vectors: gives the rows :math:`v` of ids.
        table: all :math:`v'`, `[vocabulary, width]`.
        blocks: see `word_blocks`.

    Returns:
        The loss in nats and the number of words predicted, float32 scalars.
    """
    means = _means(vectors(blocks.contexts), blocks)
    predicted = _predicted(blocks)
    normalizers = ops.logsumexp(ops.cast(ops.matmul(means, ops.transpose(table)), "float32"), axis=-1)
    own = ops.sum(means * ops.take(table, blocks.centres, axis=0), axis=-1)
    return ops.sum(predicted * (normalizers - ops.cast(own, "float32"))), ops.sum(predicted)


def _means(rows: Any, blocks: WordBlocks) -> Any:
    """The means of the windows, [n, S, width], with the gradients of the sums."""
    sums = _in_blocks(window_sums(rows, blocks), blocks)
    counts = ops.cast(ops.maximum(blocks.before + blocks.after, 1), rows.dtype)[:, :, None]
    return sums + ops.stop_gradient(sums / counts - sums)


def _in_blocks(rows: Any, blocks: WordBlocks) -> Any:
    """Rows by pieces, [n S / B, B, width], as rows by blocks, [n, S, width]."""
    return ops.reshape(rows, (-1, blocks.centres.shape[1], rows.shape[2]))


def _predicted(blocks: WordBlocks) -> Any:
    """1 for each word with others in its window, 0 for those without."""
    return ops.cast(blocks.before + blocks.after > 0, "float32")
