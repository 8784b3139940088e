"""A small decoder with random weights, and tokenizers for it."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from kpt.models import Decoder
from kpt.text import CharacterTokenizer
from tests.numbers import randomize

LETTERS = "abcdefghijklmnop .,é"


@functools.cache
def tokenizer(end: bool = True) -> CharacterTokenizer:
    return CharacterTokenizer.train([LETTERS], end_token=end)


@functools.cache
def decoder(maximum_length: int = 64, **options: Any) -> Decoder:
    """Weights large enough that the text is no repetition of one letter. One for all tests, so that little compiles."""
    model = Decoder(tokenizer().vocabulary.size, width=16, depth=2, heads=2, maximum_length=maximum_length, **options)
    randomize(model, seed=1, scale=0.3)
    for weight in model.weights:
        if weight.path.endswith(("bias", "beta")):
            weight.assign(weight * 0)
    model.final_norm.set_weights([np.full(16, 2.0), np.zeros(16)])
    model.positions.set_weights([np.random.default_rng(2).normal(0, 1, (maximum_length, 16))])
    return model
