"""A model of tasks small enough to be written down: a text is the mean of its tokens' vectors, and a task a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kpt.data import LabelledExamples, encode_texts
from kpt.tasks import Classifier, MultiTask, Regressor
from tests.numbers import array, randomize
from tests.tasks.small_task import LABELS, TEXTS, small_tokenizer

TOKENIZER = small_tokenizer()
WIDTH = 3


def vector_tasks() -> MultiTask:
    """A classifier and a regressor, with weights that are large and different."""
    inputs = {
        "token_ids": keras.Input((None,), dtype="int32", name="token_ids"),
        "padding_mask": keras.Input((None,), dtype="bool", name="padding_mask"),
    }
    table = keras.layers.Embedding(TOKENIZER.vocabulary.size, WIDTH, name="table")
    backbone = keras.Model(inputs, {"sequence": table(inputs["token_ids"])})
    backbone.width = WIDTH
    common: dict[str, Any] = {"length": 16, "dropout": 0.0, "tokenizer": TOKENIZER}
    model = MultiTask(
        {"mood": Classifier(backbone, ["neg", "pos"], **common), "stars": Regressor(backbone, 0.5, 2.0, **common)}
    )
    randomize(model)
    return model


def vector_examples() -> dict[str, LabelledExamples]:
    """Labels of the small texts, and numbers."""
    encoded = encode_texts(TOKENIZER, TEXTS, length=16)
    labels = {
        "mood": np.array([label == "pos" for label in LABELS], np.int32),
        "stars": np.linspace(-1, 2, len(TEXTS)).astype("float32"),
    }
    return {name: LabelledExamples(encoded, TOKENIZER.vocabulary, some) for name, some in labels.items()}


def vector_gradients(model: MultiTask, examples: LabelledExamples, task: str, rows: Sequence[int]) -> np.ndarray:
    """The gradient of the loss of each text by the table, float64 [rows, vocabulary, width], written out."""
    table, kernel, bias = (
        np.asarray(array(weight.value), np.float64)
        for weight in (model.backbone.trainable_variables[0], *model.tasks[task].head.weights)
    )
    gradients = []
    for row in rows:
        inputs = examples.batch_of(np.array([row]))[0]
        ids = inputs["token_ids"][0][inputs["padding_mask"][0]]
        share = np.bincount(ids, minlength=len(table)) / len(ids)
        output = share @ table @ kernel + bias
        label = np.asarray(examples.labels)[row]
        if task == "mood":
            by_output = np.exp(output) / np.exp(output).sum() - np.eye(2)[label]
        else:
            by_output = 2 * (0.5 + 2.0 * output - label) * 2.0
        gradients.append(np.outer(share, kernel @ by_output))
    return np.array(gradients)
