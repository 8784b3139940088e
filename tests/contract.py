"""What every registered class has to do, whatever it computes: the checks that the contract tests run on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from tests.numbers import array, compiled, gradients

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """A class under contract.

    Attributes:
        make: makes the object; takes `dtype`.
        inputs: a batch of inputs by name.
        call: calls the object with tensors, real or symbolic, as `inputs` has them.
        model: a model around the object that can be fitted and saved.
        self_labelled: the model's loss takes its labels out of the inputs.
    """

    make: Callable[..., Any]
    inputs: Arrays
    call: Callable[[Any, Mapping[str, Any]], Any] = lambda made, tensors: made(tensors)
    model: Callable[[Any, Case], keras.Model] = field(default=lambda made, case: functional(made, case))
    self_labelled: bool = False


def functional(made: Any, case: Case) -> keras.Model:
    """The object between symbolic inputs of unknown batch size and a dense layer that reads each output."""
    inputs = {
        name: keras.Input(value.shape[1:], dtype=value.dtype.name, name=name) for name, value in case.inputs.items()
    }
    outputs = tree.flatten(case.call(made, inputs))
    policy = getattr(made, "encoder_policy", made.dtype_policy)
    return keras.Model(inputs, [keras.layers.Dense(1, dtype=policy)(output) for output in outputs])


def classes_of(package: str) -> set[str]:
    """The names of the classes that a package has registered with Keras."""
    registered = keras.saving.get_custom_objects().items()
    return {name.removeprefix("kpt>") for name, each in registered if each.__module__.startswith(package)}


def loss_of(model: keras.Model, case: Case, training: bool = True) -> Any:
    tensors = {name: ops.convert_to_tensor(value) for name, value in case.inputs.items()}
    outputs = model(tensors, training=training)
    if case.self_labelled:
        return model.compute_loss(tensors, y_pred=outputs)
    return sum(ops.mean(ops.square(ops.cast(output, "float32") - 1.0)) for output in tree.flatten(outputs))


def flat_arrays(outputs: Any) -> list[np.ndarray]:
    return [array(output) for output in tree.flatten(outputs)]


def check_config(case: Case, folder: Path) -> None:
    made = case.make()
    again = type(made).from_config(made.get_config())
    assert again.get_config() == made.get_config()


def check_serialization(case: Case, folder: Path) -> None:
    made = case.make()
    text = json.dumps(keras.saving.serialize_keras_object(made))
    assert json.loads(text)["registered_name"] == f"kpt>{type(made).__name__}"
    again = keras.saving.deserialize_keras_object(json.loads(text))
    assert type(again) is type(made)
    assert json.dumps(keras.saving.serialize_keras_object(again)) == text


def check_shapes(case: Case, folder: Path) -> None:
    made = case.make()
    symbolic = {name: keras.KerasTensor(value.shape, value.dtype.name) for name, value in case.inputs.items()}
    real = {name: ops.convert_to_tensor(value) for name, value in case.inputs.items()}
    promised = tree.flatten(case.call(made, symbolic))
    given = tree.flatten(compiled(lambda: case.call(made, real)))
    assert [tuple(each.shape) for each in promised] == [tuple(each.shape) for each in given]
    assert [each.dtype for each in promised] == [keras.backend.standardize_dtype(each.dtype) for each in given]
    unknown = {name: keras.KerasTensor((None, *each.shape[1:]), each.dtype) for name, each in symbolic.items()}
    for free, each in zip(tree.flatten(case.call(case.make(), unknown)), given, strict=True):
        assert all(size in (None, real_size) for size, real_size in zip(free.shape, each.shape, strict=True))


def check_bfloat16(case: Case, folder: Path) -> None:
    model = case.model(case.make(dtype="mixed_bfloat16"), case)
    weights = model.trainable_variables
    assert {weight.dtype for weight in weights} == {"float32"}
    found = gradients(lambda: loss_of(model, case), weights)
    for weight, gradient in zip(weights, found, strict=True):
        assert np.isfinite(array(gradient)).all(), weight.path
    tensors = {name: ops.convert_to_tensor(value) for name, value in case.inputs.items()}
    outputs = tree.flatten(compiled(lambda: model(tensors)))
    assert {keras.backend.standardize_dtype(output.dtype) for output in outputs} == {"bfloat16"}
    assert all(np.isfinite(each).all() for each in flat_arrays(outputs))


def check_gradients(case: Case, folder: Path) -> None:
    model = case.model(case.make(), case)
    weights = model.trainable_variables
    assert len({weight.path for weight in weights}) == len(weights)  # Keras on PyTorch knows weights by their paths
    for weight, gradient in zip(weights, gradients(lambda: loss_of(model, case), weights), strict=True):
        assert gradient is not None, f"no gradient reaches {weight.path}"
        assert np.isfinite(array(gradient)).all() and np.abs(array(gradient)).max() > 0, weight.path


def check_fit(case: Case, folder: Path) -> None:
    model = case.model(case.make(), case)
    before = [array(weight.value) for weight in model.trainable_variables]
    outputs = model.predict(case.inputs, verbose=0)
    if case.self_labelled:
        model.compile(optimizer=keras.optimizers.Adam(1e-2))
        history = model.fit(case.inputs, batch_size=len(next(iter(case.inputs.values()))), verbose=0)
    else:
        model.compile(optimizer=keras.optimizers.Adam(1e-2), loss="mse")
        targets = tree.map_structure(np.ones_like, outputs)
        history = model.fit(case.inputs, targets, verbose=0)
    assert np.isfinite(history.history["loss"][0])
    for weight, old in zip(model.trainable_variables, before, strict=True):
        assert not np.array_equal(array(weight.value), old), f"{weight.path} did not move"


def check_saving(case: Case, folder: Path) -> None:
    model = case.model(case.make(), case)
    outputs = flat_arrays(model.predict(case.inputs, verbose=0))
    model.save(folder / "model.keras")
    again = flat_arrays(keras.saving.load_model(folder / "model.keras").predict(case.inputs, verbose=0))
    for one, other in zip(outputs, again, strict=True):
        np.testing.assert_array_equal(one, other)


CHECKS = {
    "config": check_config,
    "serialization": check_serialization,
    "shapes": check_shapes,
    "bfloat16": check_bfloat16,
    "gradients": check_gradients,
    "fit": check_fit,
    "saving": check_saving,
}
