"""Words of several cases in gensim and in kpt, and questions about them."""

from __future__ import annotations

from typing import Any

import numpy as np
from gensim.models import KeyedVectors

from kpt import WordVectors

WORDS = ["The", "cat", "dog", "king", "queen", "man", "woman", "CAT", "boy", "girl", "the", "Paris", "paris", "rome"]


def both(seed: int = 0, words: int = 40) -> tuple[WordVectors, Any]:
    """Vectors in which some relations hold and others do not, and the same in gensim."""
    generator = np.random.default_rng(seed)
    names = [*WORDS, *(f"w{i}" for i in range(words - len(WORDS)))]
    values = generator.normal(size=(words, 10)).astype(np.float32)
    gender, royal = generator.normal(size=(2, 10)) * 2
    for male, female in (("king", "queen"), ("man", "woman"), ("boy", "girl"), ("w1", "w2")):
        values[names.index(female)] = values[names.index(male)] + gender + generator.normal(0, 0.6, 10)
    values[names.index("king")] += royal
    vectors = WordVectors(names, values)
    keyed = KeyedVectors(10)
    keyed.add_vectors(names, values)
    return vectors, keyed
