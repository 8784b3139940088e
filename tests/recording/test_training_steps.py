from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops, tree

from kpt.data.task_mixture import joint_batch
from kpt.models import Encoder
from kpt.objectives import CausalLM, MaskedLM, NextSentence, Pretrainer
from kpt.recording import training_steps
from kpt.tasks import Classifier, MultiTask, TaskModel
from kpt.training import adamw
from tests.batches import inputs_of, random_batch, tiny_decoder, tiny_encoder
from tests.numbers import array
from tests.objectives.test_contract import CASES as OBJECTIVES
from tests.tasks.test_contract import CASES as TASKS
from tests.tasks.test_multi_task import made_examples, small_model

pytestmark = pytest.mark.skipif(keras.backend.backend() != "torch", reason="other backends compile")
BATCH = tree.map_structure(ops.convert_to_tensor, random_batch(8))
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


def trained(model: Any, options: dict[str, Any], **compilation: Any) -> tuple[list[np.ndarray], list[dict[str, float]]]:
    """The variables after some steps, and what was logged."""
    if not isinstance(model, Pretrainer | MultiTask):
        compilation = {"loss": "mse", "metrics": ["mae"], **compilation}
    keras.utils.set_random_seed(4)
    model.compile(optimizer=adamw(0.01, 100, 0, **options), **compilation)
    logs = [model.train_on_batch(*each, return_dict=True) for each in batches(model)]
    return [array(variable.value) for variable in (*model.variables, *model.optimizer.variables)], logs


def made(make: Callable[[], Any]) -> Any:
    keras.utils.set_random_seed(1)
    return make()


def recordings(model: Any) -> int:
    return sum(isinstance(found, tuple) for found in model.train_function.found.values())


@pytest.fixture(autouse=True)
def early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_steps, "CALLS", 3)


@pytest.mark.parametrize("name", MODELS)
def test_recorded_steps_give_the_numbers_of_ordinary_ones(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, options = MODELS[name]
    ordinary = trained(made(make), options, run_eagerly=True)
    model, calls = made(make), []
    call = type(model).call
    monkeypatch.setattr(type(model), "call", lambda *args, **kwargs: (calls.append(1), call(*args, **kwargs))[1])
    weights, logs = trained(model, options)
    assert logs == ordinary[1]
    for one, other in zip(weights, ordinary[0], strict=True):
        np.testing.assert_array_equal(one, other)
    assert recordings(model) == 2
    assert len(calls) <= 2 * (training_steps.CALLS + 1) + 2  # once to build, once to predict


class TestSteps:
    def fitted(self, model: Any, **options: Any) -> Any:
        model.compile(**{"optimizer": adamw(0.01, 100, 0), **options})
        for _ in range(training_steps.CALLS + 1):
            model.train_on_batch(BATCH)
        return model

    def test_what_callbacks_change_is_seen(self) -> None:
        found = []
        for eager in (True, False):
            model = self.fitted(made(bert), optimizer=keras.optimizers.SGD(0.1), run_eagerly=eager)
            model.optimizer.learning_rate = 0.5
            model.train_on_batch(BATCH)
            model.set_weights([weight * 0.5 for weight in model.get_weights()])
            model.reset_metrics()
            model.train_on_batch(BATCH)
            model.backbone.get_layer("block_0").trainable = False
            for _ in range(training_steps.CALLS + 2):
                logs = model.train_on_batch(BATCH, return_dict=True)
            found.append((logs, [array(weight.value) for weight in model.weights]))
        assert found[0][0] == found[1][0]
        for one, other in zip(found[0][1], found[1][1], strict=True):
            np.testing.assert_array_equal(one, other)
        assert recordings(model) == 1

    @pytest.mark.parametrize("kind", ["loss", "function", "metric", "metric function", "layer", "model", "objective"])
    def test_what_a_user_wrote_is_called_each_time(self, kind: str) -> None:
        calls: list[int] = []

        def counted(y: Any, outputs: Any) -> Any:
            calls.append(1)
            return ops.mean(ops.square(outputs - ops.cast(y, outputs.dtype)))

        class OwnLoss(keras.losses.Loss):
            def call(self, y: Any, outputs: Any) -> Any:
                return counted(y, outputs)

        class OwnMetric(keras.metrics.Mean):
            def update_state(self, y: Any, outputs: Any, sample_weight: Any = None) -> None:
                super().update_state(counted(y, outputs))

        class OwnEncoder(Encoder):
            def call(self, inputs: Any, training: bool | None = None) -> Any:
                calls.append(1)
                return super().call(inputs, training)

        class OwnClassifier(Classifier):
            def call(self, inputs: Any, training: bool | None = None) -> Any:
                calls.append(1)
                return super().call(inputs, training)

        class OwnObjective(CausalLM):
            def loss(self, *args: Any) -> Any:
                calls.append(1)
                return super().loss(*args)

        data: Any = (inputs_of(BATCH), np.eye(2, dtype="float32")[[0, 1] * 4])
        own = OwnEncoder(23, depth=1, width=16, heads=2) if kind == "layer" else tiny_encoder()
        model: Any = (OwnClassifier if kind == "model" else Classifier)(own, ["a", "b"])
        if kind == "objective":
            model, data = Pretrainer(tiny_decoder(), [OwnObjective()]), (BATCH,)
        losses = {"loss": OwnLoss(), "function": counted, "objective": None}
        metrics = {"metric": [OwnMetric()], "metric function": [counted]}
        model.compile("sgd", losses.get(kind, "mse"), metrics=metrics.get(kind))
        for _ in range(training_steps.CALLS + 3):
            model.train_on_batch(*data)
        assert len(calls) >= training_steps.CALLS + 3

    def test_hooks_are_called_each_time(self) -> None:
        calls: list[int] = []
        model = made(bert)
        model.backbone.get_layer("block_0").register_forward_hook(lambda *_: calls.append(1))
        self.fitted(model)
        model.train_on_batch(BATCH)
        assert len(calls) == training_steps.CALLS + 2

    def test_a_step_that_depends_on_values_is_never_recorded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        call = Encoder.call

        def asking(self: Any, inputs: Any, training: bool | None = None) -> Any:
            outputs = call(self, inputs, training)
            return outputs if float(ops.max(outputs["sequence"])) > -9 else {}

        monkeypatch.setattr(Encoder, "call", asking)
        model = self.fitted(made(bert))
        assert list(model.train_function.found.values()) == [None]
        assert np.isfinite(model.train_on_batch(BATCH)).all()

    def test_ordinary_gradients_are_let_go_and_few_shapes_kept(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(training_steps, "KEPT", 2)
        model = self.fitted(made(bert))
        assert all(weight.value.grad is None for weight in model.trainable_weights)
        for rows in (2, 3, 4):
            model.train_on_batch({name: value[:rows] for name, value in BATCH.items()})
        assert len(model.train_function.found) == 2 and recordings(model) == 0

    def test_weights_without_gradient_are_told_of(self) -> None:
        model = made(lambda: Pretrainer(tiny_encoder(), [MaskedLM()]))  # whose pooler nothing reads
        model.compile(adamw(0.01, 100, 0))
        for _ in range(training_steps.CALLS + 2):
            with pytest.warns(UserWarning, match="Gradients do not exist for variables .*pooler"):
                model.train_on_batch(BATCH)


def test_every_task_and_objective_is_tried() -> None:
    assert {name for name in TASKS} <= set(MODELS)
    assert {"CausalLM", "MaskedLM", "NextSentence"} <= set(OBJECTIVES)
    assert issubclass(Classifier, TaskModel)
