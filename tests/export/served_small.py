"""A small SavedModel with the files that a server reads, quickly made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf

from kpt.export.serving_files import write_serving_files


class Sizes(tf.Module):
    """Tells how long texts are, which of two is longer, and goes on with a prompt."""

    def __init__(self) -> None:
        super().__init__()
        self.share = tf.Variable(1 / 3)
        strings = tf.TensorSpec([None], tf.string, name="texts")
        prompts = tf.TensorSpec([None], tf.string, name="prompts")
        setting = tf.TensorSpec(None, tf.int32, name="max_new_tokens")
        self.functions = {
            "serving_default": self.traced(self.sizes, strings),
            "generate": self.traced(self.generate, prompts, setting),
        }

    @staticmethod
    def traced(function: Any, *specs: Any) -> Any:
        return tf.function(function, autograph=False).get_concrete_function(*specs)

    def sizes(self, texts: tf.Tensor) -> dict[str, tf.Tensor]:
        sizes = tf.strings.length(texts)
        return {"size": sizes, "share": tf.cast(sizes, tf.float32) * self.share}

    def generate(self, prompts: tf.Tensor, max_new_tokens: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"texts": tf.strings.substr(prompts, 0, tf.reshape(max_new_tokens, []))}


def served_small(folder: Path, **notes: Any) -> Path:
    """Write it as version 1 in a model's folder."""
    model = Sizes()
    version = folder / "1"
    tf.saved_model.save(model, str(version), signatures=model.functions)
    write_serving_files(version, folder.name, model.functions, notes, {})
    return version
