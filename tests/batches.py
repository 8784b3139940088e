"""A tiny pre-training batch, and a tiny encoder and decoder for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from kpt.models import Decoder, Encoder

VOCABULARY, LENGTH, SLOTS = 23, 9, 3


def tiny_encoder(**options: Any) -> Encoder:
    sizes = {
        "vocabulary_size": VOCABULARY,
        "width": 8,
        "depth": 2,
        "heads": 2,
        "maximum_length": LENGTH,
        "dropout": 0.0,
    }
    return Encoder(**{**sizes, **options})


def tiny_decoder(**options: Any) -> Decoder:
    sizes = {
        "vocabulary_size": VOCABULARY,
        "width": 16,
        "depth": 2,
        "heads": 4,
        "maximum_length": LENGTH,
        "dropout": 0.0,
    }
    return Decoder(**{**sizes, **options})


def random_batch(rows: int = 4, seed: int = 0) -> dict[str, np.ndarray]:
    """Token ids, segments, padding, and what the objectives predict; the last row predicts one token alone."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(5, LENGTH + 1, (rows, 1))
    weights = np.ones((rows, SLOTS), np.float32)
    weights[-1, 1:] = 0.0
    return {
        "token_ids": generator.integers(0, VOCABULARY, (rows, LENGTH)).astype("int32"),
        "segment_ids": (np.arange(LENGTH) >= lengths // 2).astype("int32"),
        "padding_mask": np.arange(LENGTH) < lengths,
        "mask_positions": generator.integers(0, 5, (rows, SLOTS)).astype("int32"),
        "mask_labels": generator.integers(5, VOCABULARY, (rows, SLOTS)).astype("int32"),
        "mask_weights": weights,
        "causal_labels": generator.integers(0, VOCABULARY, (rows, LENGTH)).astype("int32"),
        "causal_weights": (np.arange(LENGTH) < lengths - 1).astype("float32"),
        "next_sentence_labels": generator.integers(0, 2, rows).astype("int32"),
    }


def inputs_of(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What an encoder takes of a batch."""
    return {name: batch[name] for name in ("token_ids", "segment_ids", "padding_mask")}
