"""A SavedModel with a signature for each call of the API, quickly made, and the server's parts around it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf

from kpt.export.serving_files import serialised_example
from kpt.export.task_signatures import set_method_names


class Small(tf.Module):
    """Knows its version, how long texts are, and which of two numbers is larger."""

    def __init__(self, version: int) -> None:
        super().__init__()
        self.number = tf.Variable(version, dtype=tf.int64)

    def describe(self, texts: tf.Tensor) -> dict[str, tf.Tensor]:
        sizes = tf.strings.length(texts)
        numbers = tf.fill(tf.shape(texts), self.number)
        return {"size": sizes, "version": numbers, "half": tf.cast(sizes, tf.float32) / 3.0, "same_bytes": texts}

    def larger(self, first: tf.Tensor, second: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.control_dependencies([tf.debugging.assert_equal(tf.shape(first), tf.shape(second), "sizes differ")]):
            return {"larger": tf.maximum(first, second)}

    def classify(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        texts = self.texts(inputs)
        scores = tf.cast(tf.strings.length(texts), tf.float32)
        return {
            "classes": tf.tile([["short", "long"]], [tf.size(texts), 1]),
            "scores": tf.stack([1 / scores, scores], axis=1),
        }

    def regress(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"outputs": tf.cast(tf.strings.length(self.texts(inputs)), tf.float32)}

    def total(self, texts: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"total": tf.reduce_sum(tf.strings.length(texts))}

    @staticmethod
    def texts(inputs: tf.Tensor) -> tf.Tensor:
        return tf.io.parse_example(inputs, {"text": tf.io.FixedLenFeature([], tf.string)})["text"]


def small_model(folder: Path, version: int = 1) -> Path:
    """Write a version into a model's folder; it appears complete."""
    model = Small(version)
    strings, numbers = [[None], tf.string], [[None], tf.float32]

    def traced(function: Any, **inputs: Any) -> Any:
        specs = [tf.TensorSpec(*spec, name=name) for name, spec in inputs.items()]
        return tf.function(function, autograph=False).get_concrete_function(*specs)

    signatures = {
        "serving_default": traced(model.describe, texts=strings),
        "larger": traced(model.larger, first=numbers, second=numbers),
        "classify": traced(model.classify, inputs=strings),
        "regress": traced(model.regress, inputs=strings),
        "total": traced(model.total, texts=strings),
    }
    temporary = folder / f".{version}.partial"
    tf.saved_model.save(model, str(temporary), signatures=signatures)
    set_method_names(temporary, {name: f"tensorflow/serving/{name}" for name in ("classify", "regress")})
    return temporary.rename(folder / str(version))


def example(text: str) -> Any:
    """A `tf.train.Example` with a text."""
    return tf.train.Example.FromString(serialised_example({"text": text}))
