"""Vectors made for tests, and the same ones in gensim."""

from __future__ import annotations

import numpy as np
from gensim.models import KeyedVectors

from kpt.vectors import WordVectors


def made_vectors(words: int = 60, dimensions: int = 8, seed: int = 0) -> WordVectors:
    """Random vectors of different lengths, with counts."""
    generator = np.random.default_rng(seed)
    names = [f"word{i}" for i in range(words - 3)] + ["Ünïcödé", "中文", "a-b.c"]
    values = generator.normal(size=(words, dimensions)) * generator.uniform(0.1, 3, (words, 1))
    return WordVectors(names, values.astype(np.float32), np.arange(words, 0, -1))


def in_gensim(vectors: WordVectors) -> KeyedVectors:
    keyed = KeyedVectors(vectors.dimensions)
    keyed.add_vectors(list(vectors.words), np.array(vectors.vectors))
    return keyed


def assert_same_answers(ours: list[tuple[str, float]], theirs: list[tuple[str, float]]) -> None:
    assert [word for word, _ in ours] == [word for word, _ in theirs]
    np.testing.assert_allclose([value for _, value in ours], [value for _, value in theirs], atol=2e-6)
