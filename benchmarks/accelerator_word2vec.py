"""The skip-gram part of the accelerator benchmark: random words, as unevenly frequent as those of a language."""

from __future__ import annotations

import argparse
from typing import Any

import keras
import numpy as np

from benchmarks.word2vec_sides import SHAPES
from kpt.objectives import Word2Vec

# As of `kpt.training.Word2VecSettings`.
BLOCK, SHARED_NEGATIVES, LENGTH = (SHAPES["skip-gram"][name] for name in ("block", "shared_negatives", "length"))
WINDOW = 5


def synthetic_windows(vocabulary: int, rows: int, length: int, count: int) -> list[dict[str, np.ndarray]]:
    """Return batches in the shapes of `kpt.data.Windows`; the word of rank r has a probability as 1 / (r + 2.7)."""
    generator = np.random.default_rng(0)
    probabilities = 1 / (np.arange(vocabulary) + 2.7)
    probabilities /= probabilities.sum()
    noise = probabilities**0.75
    noise /= noise.sum()
    shares = np.stack([probabilities, noise], axis=-1).astype("float32")

    def drawn(distribution: np.ndarray, *shape: int) -> np.ndarray:
        found = np.searchsorted(np.cumsum(distribution), generator.random(shape))
        return found.clip(max=vocabulary - 1).astype("int32")

    batches = []
    for _ in range(count):
        words = drawn(probabilities, rows, length)
        negatives = drawn(noise, rows, length // BLOCK, SHARED_NEGATIVES)
        place = np.arange(length)
        reach = generator.integers(1, WINDOW + 1, (rows, length))
        batches.append(
            {
                "token_ids": words,
                "before": np.minimum(reach, place).astype("int32"),
                "after": np.minimum(reach, place[::-1]).astype("int32"),
                "negative_ids": negatives,
                "token_shares": shares[words],
                "negative_shares": shares[negatives],
            }
        )
    return batches


def skip_gram(options: argparse.Namespace) -> tuple[Word2Vec, list[dict[str, np.ndarray]], keras.Optimizer]:
    """Return a model of skip-gram, batches for it, and the optimizer that updates the rows of a batch alone."""
    rows = max(1, options.words // LENGTH)
    model = Word2Vec(options.vocabulary, options.word2vec_width, window=WINDOW, dtype="float32")
    batches = synthetic_windows(options.vocabulary, rows, min(LENGTH, options.words), 4)
    return model, batches, keras.optimizers.SGD(0.03)


def figures(model: Word2Vec, batches: list[dict[str, np.ndarray]], seconds: float) -> dict[str, Any]:
    """Return what is reported of a training."""
    rows, length = batches[0]["token_ids"].shape
    return {
        "vocabulary": model.vocabulary_size,
        "width": model.width,
        "words_of_a_batch": rows * length,
        "seconds_per_step": round(seconds, 6),
        "words_per_second": round(rows * length / seconds),
    }
