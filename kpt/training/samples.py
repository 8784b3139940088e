"""Texts with hidden tokens and what a model guesses for them, for people to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from kpt.text import Vocabulary

__all__ = ["masked_samples"]


def masked_samples(
    model: keras.Model, batch: Mapping[str, np.ndarray], vocabulary: Vocabulary, *, guesses: int = 5
) -> list[dict[str, Any]]:
    """Have a pre-trained model fill in the masked tokens of a batch.

    Args:
        model: a `Pretrainer` with the objective `masked_lm`, and `next_sentence` if its judgement is wanted.
        batch: examples that `MaskedLM.corrupt` has masked.
        vocabulary: the tokenizer's.
        guesses: how many tokens to list for each masked one.

    Returns:
        For each example `pieces`, in order: `{"text": piece}` or, where one was masked, `{"answer": piece, "shown": the
        piece in its place, "guesses": [[piece, probability], ...]}`; and where the model judges it `next_sentence`:
        `{"follows": whether the second text follows the first, "probability": that it does, as the model has it}`.
    """
    predictions = model.predict_on_batch(dict(batch))
    probabilities = softmax(predictions["masked_lm"])
    follows = softmax(predictions["next_sentence"])[:, 0] if "next_sentence" in predictions else None
    tokens = vocabulary.tokens
    hidden_ids = (vocabulary.cls_id, vocabulary.pad_id)
    samples = []
    for row, token_ids in enumerate(batch["token_ids"]):
        slots = np.flatnonzero(batch["mask_weights"][row] > 0)
        slot_of = dict(zip(batch["mask_positions"][row][slots].tolist(), slots.tolist(), strict=True))
        pieces: list[dict[str, Any]] = []
        for position in np.flatnonzero(batch["padding_mask"][row]).tolist():
            token_id = int(token_ids[position])
            if position in slot_of:
                slot = slot_of[position]
                chances = probabilities[row, slot]
                best = np.argsort(-chances, kind="stable")[:guesses]
                pieces.append(
                    {
                        "answer": tokens[batch["mask_labels"][row, slot]],
                        "shown": tokens[token_id],
                        "guesses": [[tokens[i], round(float(chances[i]), 4)] for i in best],
                    }
                )
            elif token_id not in hidden_ids:
                pieces.append({"text": "[SEP]" if token_id == vocabulary.sep_id else tokens[token_id]})
        while pieces and pieces[-1].get("text") == "[SEP]":
            pieces.pop()
        sample: dict[str, Any] = {"pieces": pieces}
        if follows is not None:
            label = int(batch["next_sentence_labels"][row])
            sample["next_sentence"] = {"follows": label == 0, "probability": round(float(follows[row]), 4)}
        samples.append(sample)
    return samples


def softmax(logits: Any) -> np.ndarray:
    """Return probabilities over the last axis, in float64."""
    values = np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(logits, "float32")), np.float64)
    values = np.exp(values - values.max(axis=-1, keepdims=True))
    return values / values.sum(axis=-1, keepdims=True)
