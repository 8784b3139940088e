"""Models whose steps are recorded, and batches for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from kpt.data.task_mixture import joint_batch
from kpt.objectives import CausalLM, MaskedLM, NextSentence, Pretrainer
from kpt.recording import training_steps
from kpt.tasks import Classifier, MultiTask
from kpt.training import adamw
from tests.batches import inputs_of, random_batch, tiny_decoder, tiny_encoder
from tests.numbers import array
from tests.tasks.test_contract import CASES as TASKS
from tests.tasks.test_multi_task import made_examples, small_model

ARRAYS = random_batch(8)

BATCH = tree.map_structure(ops.convert_to_tensor, ARRAYS)

STEPS = 6


def bert(**options: Any) -> Pretrainer:
    return Pretrainer(tiny_encoder(dropout=0.2, **options), [MaskedLM(), NextSentence(weight=0.5)])


def frozen() -> Pretrainer:
    model = bert()
    model.backbone.token_embedding.trainable = False
    return model


def adapted() -> Pretrainer:
    model = bert()
    model.backbone.get_layer("block_0").attention.qkv.enable_lora(2)
    return model


def gpt() -> Pretrainer:
    return Pretrainer(tiny_decoder(dropout=0.1), [CausalLM()])


MODELS: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "bert": (bert, {}),
    "bert in 16 bits": (lambda: bert(dtype="mixed_bfloat16"), {}),
    "bert, scaled loss": (lambda: bert(dtype="mixed_float16"), {}),
    "bert, computed again": (lambda: bert(remat="block"), {}),
    "bert, accumulated": (bert, {"gradient_accumulation_steps": 2}),
    "bert, averaged": (bert, {"use_ema": True, "ema_overwrite_frequency": 3}),
    "bert, frozen": (frozen, {}),
    "bert, adapted": (adapted, {}),
    "gpt": (gpt, {}),
    "MultiTask": (small_model, {}),
    **{name: (lambda case=case: case.make(), {}) for name, case in TASKS.items() if name != "MultiTask"},
}


def batches(model: Any) -> list[tuple[Any, ...]]:
    """Batches of two shapes: of all rows, and of three."""
    if isinstance(model, MultiTask):
        examples = made_examples(model)
        rows = {"mood": [0, 29, 7], "words": [3, 4], "stars": [12]}
        whole: tuple[Any, ...] = joint_batch(examples, [(name, np.array(some)) for name, some in rows.items()])
    elif not isinstance(model, Pretrainer):
        case = next(case for case in TASKS.values() if type(case.make()) is type(model))
        outputs = model.predict(case.inputs, verbose=0)
        whole = (case.inputs, tree.map_structure(lambda each: np.full_like(each, 0.5), outputs))
    else:
        whole = (BATCH,)
    part = tree.map_structure(lambda each: each[1:4], whole)
    return [tree.map_structure(ops.convert_to_tensor, each) for each in (whole, part)] * STEPS


def made(make: Callable[[], Any]) -> Any:
    keras.utils.set_random_seed(1)
    return make()


def recordings(model: Any) -> int:
    return sum(isinstance(found, tuple) for found in model.train_function.found.values())


def wrapped_encoder(layer: Any) -> Classifier:
    """A classifier with a layer, or another operation, after its encoder."""
    encoder = tiny_encoder(pooler=False, segments=0)
    inputs = encoder.input
    outputs = encoder(inputs)
    backbone: Any = keras.Model(inputs, {**outputs, "sequence": layer(outputs["sequence"])})
    backbone.vocabulary_size, backbone.width, backbone.maximum_length = 23, encoder.width, encoder.maximum_length
    return Classifier(backbone, ["neg", "neutral", "pos"])


def normalized() -> Classifier:
    """A classifier with statistics that a step changes, and no weights beside them."""
    return wrapped_encoder(keras.layers.BatchNormalization(center=False, scale=False, name="norm"))


def normalized_by_constants() -> Classifier:
    """A classifier with statistics that are no variables."""
    return wrapped_encoder(keras.layers.Normalization(mean=[0.5] * 8, variance=[2.0] * 8, name="norm"))


def plain() -> Classifier:
    return Classifier(tiny_encoder(), ["a", "b"])


LABELLED: Any = (inputs_of(BATCH), ops.convert_to_tensor(np.eye(2, dtype="float32")[[0, 1] * 4]))

UNSEGMENTED: Any = (
    {name: BATCH[name] for name in ("token_ids", "padding_mask")},
    ops.convert_to_tensor(np.eye(3, dtype="float32")[[0, 1, 2, 0, 1, 2, 0, 1]]),
)

FITTED: Any = tree.map_structure(array, UNSEGMENTED)


def fitted(model: Any, **options: Any) -> Any:
    model.compile(**{"optimizer": adamw(0.01, 100, 0), **options})
    for _ in range(training_steps.CALLS + 1):
        model.train_on_batch(BATCH)
    return model


def dropouts(model: Any) -> list[Any]:
    """Return the layers with a rate."""
    return [layer for layer in model._flatten_layers() if hasattr(layer, "rate")]


def attention(model: Any) -> Any:
    """Return the first attention."""
    return model.backbone.get_layer("block_0").attention
