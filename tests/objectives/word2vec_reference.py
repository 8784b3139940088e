"""word2vec in float64 numpy, pair by pair, from the papers' formulas: what the model is compared with."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

VOCABULARY, WIDTH, WINDOW = 13, 6, 3
Batch = dict[str, np.ndarray]


def random_batch(rows: int = 2, blocks: int = 3, block: int = 4, shared: int = 5, seed: int = 0) -> Batch:
    """Passages with windows that end at the sides and, here and there, before; a padded word has no window."""
    generator = np.random.default_rng(seed)
    length = blocks * block
    place = np.arange(length)
    windows = generator.integers(0, WINDOW + 1, (2, rows, length))
    before, after = np.minimum(windows[0], place), np.minimum(windows[1], length - 1 - place)
    ids = generator.integers(1, VOCABULARY, (rows, length))
    ids[-1, -2:] = before[-1, -2:] = after[-1, -4:] = 0
    return {
        "token_ids": ids.astype("int32"),
        "before": before.astype("int32"),
        "after": after.astype("int32"),
        "negative_ids": generator.integers(1, VOCABULARY, (rows, blocks, shared)).astype("int32"),
        "token_shares": generator.uniform(0, 0.2, (rows, length, 2)).astype("float32"),
        "negative_shares": generator.uniform(0, 0.2, (rows, blocks, shared, 2)).astype("float32"),
    }


def windows_of(batch: Batch) -> Iterator[tuple[int, list[int], np.ndarray]]:
    """Each word's id, those of its window, and its block's negatives."""
    rows, length = batch["token_ids"].shape
    block = length // batch["negative_ids"].shape[1]
    for row in range(rows):
        ids = batch["token_ids"][row]
        for i in range(length):
            first, last = i - batch["before"][row, i], i + batch["after"][row, i]
            window = [int(ids[j]) for j in range(first, last + 1) if j != i]
            yield int(ids[i]), window, batch["negative_ids"][row, i // block]


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def skip_gram(batch: Batch, words: np.ndarray, contexts: np.ndarray, negatives: float) -> tuple[Any, ...]:
    """Sum of the losses, number of pairs, and the gradients of both tables."""
    loss, pairs = 0.0, 0
    of_words, of_contexts = np.zeros_like(words), np.zeros_like(contexts)
    for word, window, shared in windows_of(batch):
        weight = negatives / len(shared)
        for context in window:
            pairs += 1
            for target, label, factor in [(context, 1, 1.0), *((int(n), 0, weight) for n in shared)]:
                score = contexts[target] @ words[word]
                loss -= factor * math.log(sigmoid(score if label else -score))
                slope = factor * (sigmoid(score) - label)
                of_words[word] += slope * contexts[target]
                of_contexts[target] += slope * words[word]
    return loss, pairs, of_words, of_contexts


def cbow(batch: Batch, words: np.ndarray, contexts: np.ndarray, negatives: float) -> tuple[Any, ...]:
    """The same for CBOW, where each word of a window receives the whole gradient of the mean, as in word2vec's code."""
    loss, predicted = 0.0, 0
    of_words, of_contexts = np.zeros_like(words), np.zeros_like(contexts)
    for word, window, shared in windows_of(batch):
        if not window:
            continue
        predicted += 1
        mean, of_mean = words[window].mean(axis=0), np.zeros(words.shape[1])
        weight = negatives / len(shared)
        for target, label, factor in [(word, 1, 1.0), *((int(n), 0, weight) for n in shared)]:
            score = contexts[target] @ mean
            loss -= factor * math.log(sigmoid(score if label else -score))
            slope = factor * (sigmoid(score) - label)
            of_mean += slope * contexts[target]
            of_contexts[target] += slope * mean
        for context in window:
            of_words[context] += of_mean
    return loss, predicted, of_words, of_contexts


def softmax_loss(batch: Batch, words: np.ndarray, contexts: np.ndarray, architecture: str) -> tuple[float, int]:
    """Sum of minus the logarithms of the full softmax, and the number of addends."""
    loss, number = 0.0, 0
    for word, window, _ in windows_of(batch):
        if architecture == "skip-gram":
            cases = [(words[word], context) for context in window]
        else:
            cases = [(words[window].mean(axis=0), word)] if window else []
        for vector, target in cases:
            scores = contexts @ vector
            loss += math.log(np.exp(scores).sum()) - scores[target]
            number += 1
    return loss, number


REFERENCES = {"skip-gram": skip_gram, "cbow": cbow}
