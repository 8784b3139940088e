"""A model as a TensorFlow function of token ids, with the names that Hugging Face's models have in ONNX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from kpt.errors import InputError
from kpt.export.saved_model import compute_dtype, generates
from kpt.layers import pool_sequence
from kpt.models import Encoder
from kpt.tasks import Classifier, Regressor, TaskModel

__all__ = ["in_float32", "token_function"]

#: Their names of inputs by ours.
INPUTS = {"token_ids": "input_ids", "segment_ids": "token_type_ids", "padding_mask": "attention_mask"}


def token_function(model: Any) -> tuple[Callable[..., dict[str, tf.Tensor]], list[tf.TensorSpec]]:
    """Return a function of token ids, and its inputs: int64 [n, m] each, for any number of texts and of tokens.

    `input_ids`, `attention_mask` (1: token, 0: padding) and, if the model reads segments, `token_type_ids`. Outputs are
    float32; those of an encoder:

    - `last_hidden_state` [n, m, width], `pooler_output` [n, width] (if it has a pooler) and `sentence_embedding` [n,
      width], the mean of the vectors of all tokens.

    Of a classifier of k labels `logits` and `probabilities` [n, k], of a tagger the same [n, m, k], of a regressor
    `numbers` [n], of another task model `logits`.

    Args:
        model: An `Encoder`, a `Pretrainer` of one, or a task model.

    Raises:
        InputError: It is a model that generates, or none of these.
    """
    backbone = getattr(model, "backbone", model)
    task = isinstance(model, TaskModel)
    if generates(model) or not (task or isinstance(backbone, Encoder)):
        kind = "model that generates" if generates(model) else type(model).__name__
        raise InputError(f"a {kind} has no form of token ids alone; export it with --format saved_model")
    read = ["token_ids", "padding_mask", *(["segment_ids"] if getattr(backbone, "segments", 0) else [])]

    def function(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        batch = dict(zip(read, tensors, strict=True))
        batch = {name: tf.cast(value, tf.int32) for name, value in batch.items()}
        batch["padding_mask"] = batch["padding_mask"] > 0
        if task:
            return told(model, model(batch, training=False))
        outputs = backbone(batch, training=False)
        results = {"last_hidden_state": outputs["sequence"]}
        if "pooled" in outputs:
            results["pooler_output"] = outputs["pooled"]
        return results | {"sentence_embedding": pool_sequence(outputs["sequence"], batch["padding_mask"], "mean")}

    return function, [tf.TensorSpec([None, None], tf.int64, name=INPUTS[name]) for name in read]


def told(model: TaskModel, outputs: tf.Tensor) -> dict[str, tf.Tensor]:
    """Return what a task model gives, by names."""
    if isinstance(model, Regressor):
        return {"numbers": outputs}
    if not hasattr(model, "labels"):
        return {"logits": outputs}
    several = isinstance(model, Classifier) and model.multi_label
    return {"logits": outputs, "probabilities": tf.sigmoid(outputs) if several else tf.nn.softmax(outputs)}


def in_float32(model: Any) -> Any:
    """Return a model that computes in float32 and reads one window of a text; the same one if it does so already.

    Args:
        model: What `token_function` takes.
    """
    backbone = getattr(model, "backbone", model)
    if getattr(model, "windows", 1) == 1 and compute_dtype(backbone) == "float32":
        return model
    config = _changed(keras.saving.serialize_keras_object(model), {"dtype": "float32", "windows": 1})
    config.pop("compile_config", None)
    again = keras.saving.deserialize_keras_object(config, safe_mode=True)
    again.set_weights([keras.ops.convert_to_numpy(keras.ops.cast(weight, "float32")) for weight in model.weights])
    return again


def _changed(config: Any, values: dict[str, Any]) -> Any:
    """A configuration in which the values of some keys are others, wherever they stand."""
    if isinstance(config, list):
        return [_changed(each, values) for each in config]
    if not isinstance(config, dict):
        return config
    return {key: values[key] if key in values else _changed(value, values) for key, value in config.items()}
