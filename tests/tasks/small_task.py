"""Texts that a tiny model learns to tell apart in a moment, and such a model."""

from __future__ import annotations

from typing import Any

import kpt
from kpt.models import Encoder

GOOD, BAD = ("fine", "good", "great"), ("poor", "bad", "awful")
THINGS = ("film", "plot", "cast", "song", "book")
TEXTS = [f"a {word} {thing} and a {word} end" for word in (*GOOD, *BAD) for thing in THINGS]
LABELS = ["pos" if text.split()[1] in GOOD else "neg" for text in TEXTS]


def small_tokenizer() -> kpt.WordPieceTokenizer:
    return kpt.WordPieceTokenizer.train(TEXTS, 70)


def small_encoder(tokenizer: kpt.WordPieceTokenizer, **options: Any) -> Encoder:
    sizes = {"width": 16, "depth": 1, "heads": 2, "maximum_length": 32, "dropout": 0.0, "positions": "rotary"}
    modern = {"segments": 0, "scale_embedding": True, "norm_first": True, "pooler": False}
    return Encoder(tokenizer.vocabulary.size, **(sizes | modern | options))
