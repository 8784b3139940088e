"""What is reached without a model: the yardsticks beside which a report sets losses and accuracies."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from kpt.data import MaskedRecords, TokenStore

__all__ = ["UnigramBaseline", "token_counts", "unigram_baseline"]


class UnigramBaseline(NamedTuple):
    """What the frequencies of the tokens alone reach.

    Attributes:
        loss: cross-entropy in nats of predicting each token with its frequency.
        accuracy: share of the tokens that are the most frequent one.
        token_id: the most frequent token.
    """

    loss: float
    accuracy: float
    token_id: int


def token_counts(part: TokenStore | MaskedRecords, *, documents: int = 20_000, end_id: int | None = None) -> np.ndarray:
    """Count the tokens of a store, or of records as they were before they were masked, without the special ones.

    Args:
        part: what to count in; of larger ones every n-th document, so that about `documents` are read.
        documents: the most documents, or records, to read.
        end_id: the token that examples have after each document, which is in no store; counted once a document.

    Returns:
        int64 [vocabulary size].
    """
    counts = np.zeros(part.vocabulary.size, np.int64)
    if isinstance(part, MaskedRecords):
        for step in range(0, part.examples_per_epoch, max(1, -(-part.examples_per_epoch // documents))):
            batch = part.examples(step, 1)
            used = batch["mask_weights"][0] > 0
            batch["token_ids"][0, batch["mask_positions"][0, used]] = batch["mask_labels"][0, used]
            counts += np.bincount(batch["token_ids"][batch["padding_mask"]], minlength=len(counts))
        counts[list(part.vocabulary.special_ids)] = 0
        return counts
    read = range(0, part.documents, max(1, -(-part.documents // documents)))
    for index in read:
        for sentence in part.document(index):
            np.add.at(counts, sentence, 1)
    if end_id is not None:
        counts[end_id] += len(read)
    return counts


def unigram_baseline(
    counts: np.ndarray, batches: Iterable[Mapping[str, np.ndarray]], task: str = "mask"
) -> UnigramBaseline:
    r"""Score the tokens' frequencies on the tokens of batches that are to be predicted.

    .. math:: L = -\frac{1}{|M|} \sum_{t \in M} \log \frac{c(w_t) + 1}{\sum_v (c(v) + 1)}

    Args:
        counts: how often each token stands in the training documents, [vocabulary size].
        batches: with `mask_labels` and `mask_weights`, as `MaskedLM.corrupt` makes them, or `causal_...` as `CausalLM`
            does.
        task: `"mask"` or `"causal"`: which of these.

    Example:
        >>> batch = {"mask_labels": np.array([[0, 0, 1, 0]]), "mask_weights": np.array([[1.0, 1.0, 1.0, 0.0]])}
        >>> baseline = unigram_baseline(np.array([2, 0]), [batch])
        >>> round(baseline.accuracy, 3), baseline.token_id
        (0.667, 0)
    """
    log_frequency = np.log((counts + 1) / (counts.sum() + len(counts)))
    best = int(np.argmax(counts))
    loss = hits = total = 0.0
    for batch in batches:
        labels, weights = batch[f"{task}_labels"], batch[f"{task}_weights"]
        loss -= float((log_frequency[labels] * weights).sum())
        hits += float(((labels == best) * weights).sum())
        total += float(weights.sum())
    return UnigramBaseline(loss / total, hits / total, best) if total else UnigramBaseline(math.nan, math.nan, best)
