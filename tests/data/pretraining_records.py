"""Pre-training records for the tests: rows of a batch, and files of them in foreign layouts."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kpt.data.record_layouts import serialise_record
from kpt.data.tfrecord import frame
from kpt.text import Vocabulary

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LENGTH, SLOTS = 12, 3

Row = dict[str, np.ndarray]


def vocabulary_of(size: int = 40) -> Vocabulary:
    return Vocabulary.from_tokens(SPECIAL + [f"w{i}" for i in range(5, size)])


def random_rows(count: int, seed: int = 0, size: int = 40) -> list[Row]:
    """Rows whose first token after [CLS] tells their number, modulo the vocabulary."""
    generator = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        tokens = int(generator.integers(6, LENGTH + 1))
        ids = np.where(np.arange(LENGTH) < tokens, generator.integers(5, size, LENGTH), 0)
        ids[0], ids[1], ids[tokens - 1] = 2, 5 + number % (size - 5), 3
        used = int(generator.integers(1, SLOTS + 1))
        positions = np.zeros(SLOTS, np.int64)
        positions[:used] = np.sort(generator.choice(np.arange(2, tokens - 1), used, replace=False))
        labels = np.where(np.arange(SLOTS) < used, ids[positions], 0)
        ids[positions[:used]] = 4
        rows.append(
            {
                "token_ids": ids,
                "segment_ids": (np.arange(LENGTH) >= 4) & (np.arange(LENGTH) < tokens),
                "padding_mask": np.arange(LENGTH) < tokens,
                "mask_positions": positions,
                "mask_labels": labels,
                "mask_weights": (np.arange(SLOTS) < used).astype(np.float32),
                "next_sentence_labels": np.asarray(number % 2),
            }
        )
    return rows


def write_rows(path: Path, rows: list[Row], layout: str = "bert") -> Path:
    path.write_bytes(b"".join(frame(serialise_record(row, layout)) for row in rows))
    return path
