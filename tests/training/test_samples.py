from __future__ import annotations

import numpy as np
import pytest

from kpt.text import Vocabulary
from kpt.training.samples import masked_samples, softmax

VOCABULARY = Vocabulary.from_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "##s", "sat"])
BATCH = {
    "token_ids": np.array([[2, 5, 4, 7, 3, 4, 3, 0]], np.int32),
    "padding_mask": np.array([[True] * 7 + [False]]),
    "mask_positions": np.array([[2, 5, 0]], np.int32),
    "mask_labels": np.array([[6, 8, 0]], np.int32),
    "mask_weights": np.array([[1.0, 1.0, 0.0]], np.float32),
    "next_sentence_labels": np.array([1], np.int32),
}


class Model:
    """Thinks `cat` 3 times as likely as `the` in the first slot, and `the` certain in the others."""

    def __init__(self, judges: bool = True) -> None:
        self.judges = judges

    def predict_on_batch(self, batch: dict) -> dict:
        logits = np.full((1, 3, VOCABULARY.size), -1e9, np.float32)
        logits[0, 0, 6], logits[0, 0, 5] = np.log(0.75), np.log(0.25)
        logits[0, 1:, 5] = 0.0
        return {"masked_lm": logits} | ({"next_sentence": np.log([[0.2, 0.8]])} if self.judges else {})


def test_masked_tokens_get_their_guesses() -> None:
    (sample,) = masked_samples(Model(), BATCH, VOCABULARY, guesses=2)
    assert sample["pieces"] == [
        {"text": "the"},
        {"answer": "cat", "shown": "[MASK]", "guesses": [["cat", 0.75], ["the", 0.25]]},
        {"text": "##s"},
        {"text": "[SEP]"},
        {"answer": "sat", "shown": "[MASK]", "guesses": [["the", 1.0], ["[PAD]", 0.0]]},
    ]
    assert sample["next_sentence"] == {"follows": False, "probability": pytest.approx(0.2, abs=1e-4)}


def test_without_a_judgement() -> None:
    batch = {name: value for name, value in BATCH.items() if name != "next_sentence_labels"}
    (sample,) = masked_samples(Model(judges=False), batch, VOCABULARY)
    assert "next_sentence" not in sample


def test_softmax() -> None:
    assert softmax([[0.0, np.log(3.0)]]) == pytest.approx(np.array([[0.25, 0.75]]))
    assert softmax([[1e4, 1e4]]).tolist() == [[0.5, 0.5]]
