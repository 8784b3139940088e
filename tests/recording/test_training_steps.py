from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from kpt.generation import generate
from kpt.layers import watched_attention
from kpt.models import Encoder
from kpt.objectives import CausalLM, MaskedLM, Pretrainer
from kpt.recording import operations, training_steps
from kpt.tasks import Classifier, MultiTask
from kpt.training import adamw
from tests.batches import inputs_of, tiny_decoder, tiny_encoder
from tests.numbers import array
from tests.objectives.test_contract import CASES as OBJECTIVES
from tests.recording.recorded_models import (
    ARRAYS,
    BATCH,
    LABELLED,
    MODELS,
    UNSEGMENTED,
    attention,
    batches,
    bert,
    dropouts,
    fitted,
    gpt,
    made,
    plain,
    recordings,
    wrapped_encoder,
)
from tests.tasks.test_contract import CASES as TASKS

pytestmark = pytest.mark.skipif(keras.backend.backend() != "torch", reason="other backends compile")


def trained(model: Any, options: dict[str, Any], **compilation: Any) -> tuple[list[np.ndarray], list[dict[str, float]]]:
    """The variables after some steps, and what was logged."""
    if not isinstance(model, Pretrainer | MultiTask):
        compilation = {"loss": "mse", "metrics": ["mae"], **compilation}
    keras.utils.set_random_seed(4)
    model.compile(optimizer=adamw(0.01, 100, 0, **options), **compilation)
    logs = [model.train_on_batch(*each, return_dict=True) for each in batches(model)]
    return [array(variable.value) for variable in (*model.variables, *model.optimizer.variables)], logs


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
    def test_batches_of_the_same_shapes_under_other_names_are_others(self) -> None:
        found = []
        for eager in (True, False):
            model = made(lambda: Classifier(tiny_encoder(segments=0), ["a", "b"]))
            model.compile("sgd", "mse", run_eagerly=eager)
            y = ops.convert_to_tensor(np.eye(2, dtype="float32")[[0, 1] * 4])
            three = {name: BATCH[name] for name in ("token_ids", "segment_ids", "padding_mask")}
            for _ in range(training_steps.CALLS + 2):
                model.train_on_batch(three, y)
            other = {"token_ids": BATCH["token_ids"], "padding_mask": BATCH["padding_mask"], "zz": BATCH["segment_ids"]}
            found.append(model.train_on_batch(other, y))
        assert found[0] == found[1]

    @pytest.mark.parametrize("weights", [None, np.linspace(0.1, 1.1, 8)], ids=["", "weighted"])
    def test_arrays_are_recorded_like_tensors(self, weights: Any) -> None:
        inputs, labels = {name: ARRAYS[name] for name in inputs_of(ARRAYS)}, np.eye(2)[[0, 1] * 4]
        found = []
        for eager in (True, False):
            model = made(plain)
            model.compile(adamw(0.01, 100, 0), "mse", metrics=["mae"], run_eagerly=eager)
            found.append([model.train_on_batch(inputs, labels, weights) for _ in range(training_steps.CALLS + 3)])
        assert found[0] == found[1] and recordings(model) == 1

    def test_gradients_of_a_batch_are_computed(self) -> None:
        model = made(plain)
        model.compile("sgd", "mse")
        weights = ops.convert_to_tensor(np.ones(8, "float32")).requires_grad_()
        for _ in range(training_steps.CALLS + 3):
            weights.grad = None
            model.train_on_batch(*LABELLED, weights)
            assert weights.grad is not None

    def test_attention_is_watched(self) -> None:
        model, told = fitted(made(lambda: Pretrainer(tiny_decoder(), [CausalLM()]))), []
        blocks = sum(hasattr(layer, "watch") for layer in model._flatten_layers())
        for number in range(1, training_steps.CALLS + 3):
            with watched_attention(model.backbone, told.append):
                model.train_on_batch(BATCH)
            assert len(told) == number * blocks > 0

    def test_anomalies_are_looked_for(self) -> None:
        import torch

        model = fitted(made(bert))
        model.backbone.token_embedding.embeddings.assign(model.backbone.token_embedding.embeddings * np.nan)
        with torch.autograd.set_detect_anomaly(True), pytest.raises(RuntimeError, match="nan"):
            model.train_on_batch(BATCH)

    def test_gradients_have_the_order_of_their_weights_in_memory(self) -> None:
        model = made(lambda: wrapped_encoder(keras.layers.EinsumDense("abc,dc->abd", (None, 8))))
        model.compile("sgd", "mse")
        for _ in range(training_steps.CALLS + 2):
            model.train_on_batch(*UNSEGMENTED)
            assert all(weight.value.grad.stride() == weight.value.stride() for weight in model.trainable_weights)
        assert recordings(model) == 1

    def test_long_steps_are_not_recorded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(operations, "OPERATIONS", 100)
        assert list(fitted(made(bert)).train_function.found.values()) == [None]

    def test_fits_after_each_other_go_on_with_what_was_recorded(self, tmp_path: Path) -> None:
        model = made(gpt)
        model.compile(adamw(0.01, 100))
        model.save_weights(tmp_path / "model.weights.h5")
        between: list[Callable[[], Any]] = [
            lambda: model.evaluate(ARRAYS, batch_size=8, verbose=0),
            lambda: model.predict(ARRAYS, batch_size=8, verbose=0),
            lambda: generate(model.backbone, None, [[5, 6]], max_new_tokens=2),
            lambda: model.load_weights(tmp_path / "model.weights.h5"),
            lambda: [setattr(each, "rate", float(str(each.rate))) for each in dropouts(model)],
        ]
        for then in between:
            model.fit(ARRAYS, batch_size=8, epochs=training_steps.CALLS + 1, verbose=0)
            (found,) = model.train_function.found.values()
            then()
            model.fit(ARRAYS, batch_size=8, epochs=1, verbose=0)
            (same,) = model.train_function.found.values()
            assert same[0] is found[0]

    @pytest.mark.parametrize("what", ["initializer", "constraint"])
    def test_what_is_called_outside_of_a_step_may_be_ones_own(self, what: str) -> None:
        model = made(plain)
        setattr(attention(model).qkv, f"kernel_{what}", lambda *_: None)
        model.compile("sgd", "mse")
        for _ in range(training_steps.CALLS + 1):
            model.train_on_batch(*LABELLED)
        assert recordings(model) == 1

    def test_without_gradients_nothing_is_trained(self) -> None:
        import torch

        model = fitted(made(bert))
        with torch.no_grad(), pytest.raises(RuntimeError, match="does not require grad"):
            model.train_on_batch(BATCH)

    def test_the_order_of_an_ordered_batch_is_seen(self) -> None:
        found = []
        for eager in (True, False):
            model = made(plain)
            model.compile("sgd", "mse", run_eagerly=eager)
            names = ["token_ids", "segment_ids", "padding_mask"]
            for order in (sorted(names), names, names[::-1]):
                ordered = OrderedDict((name, BATCH[name]) for name in order)
                for _ in range(training_steps.CALLS + 2):
                    loss = model.train_on_batch(ordered, LABELLED[1])
                found.append(loss)
        assert found[:3] == found[3:]

    def test_gradients_are_left_where_pytorch_leaves_them(self) -> None:
        found = []
        for eager in (True, False):
            model = fitted(made(bert), run_eagerly=eager)
            model.train_on_batch(BATCH)
            found.append([array(weight.value.grad) for weight in model.trainable_weights])
        for one, other in zip(*found, strict=True):
            np.testing.assert_array_equal(one, other)

    def test_a_step_that_depends_on_values_is_never_recorded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        call = Encoder.call

        def asking(self: Any, inputs: Any, training: bool | None = None) -> Any:
            outputs = call(self, inputs, training)
            return outputs if float(ops.max(outputs["sequence"])) > -9 else {}

        monkeypatch.setattr(Encoder, "call", asking)
        model = fitted(made(bert))
        assert list(model.train_function.found.values()) == [None]
        assert np.isfinite(model.train_on_batch(BATCH)).all()

    def test_few_shapes_are_kept_and_those_in_use_stay(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(training_steps, "KEPT", 2)
        monkeypatch.setattr(training_steps, "UNUSED", 12)
        model = made(bert)
        model.compile(adamw(0.01, 100, 0))

        def train(rows: int, times: int) -> None:
            for _ in range(times):
                model.train_on_batch({name: value[:rows] for name, value in BATCH.items()})

        def kept() -> list[int]:
            return [key[1][1][1][0][0] for key in model.train_function.found]

        enough = training_steps.CALLS + 1
        for rows in (2, 3, 4):
            train(rows, enough)
        assert kept() == [2, 3]
        train(2, 1)
        assert kept() == [3, 2]
        train(5, 12)  # 3 was not used for long
        assert kept() == [2, 5]

    def test_models_and_recordings_are_let_go(self) -> None:
        import gc
        import linecache
        import weakref

        before = len(linecache.cache)
        model = fitted(made(bert))
        assert recordings(model) == 1
        step = weakref.ref(model.train_function)
        weight = weakref.ref(model.trainable_weights[0].value)
        del model
        gc.collect()
        assert step() is None and weight() is None
        assert len(linecache.cache) == before

    def test_weights_without_gradient_are_told_of(self) -> None:
        model = made(lambda: Pretrainer(tiny_encoder(), [MaskedLM()]))  # whose pooler nothing reads
        model.compile(adamw(0.01, 100, 0))
        for _ in range(training_steps.CALLS + 2):
            with pytest.warns(UserWarning, match="Gradients do not exist for variables .*pooler"):
                model.train_on_batch(BATCH)


def test_every_task_and_objective_is_tried() -> None:
    models = [make() for make, _ in MODELS.values()]
    tried = {type(objective).__name__ for model in models for objective in getattr(model, "objectives", ())}
    assert tried == {name.split()[0] for name in OBJECTIVES} - {"Pretrainer", "Word2Vec"}
    assert {type(model).__name__ for model in models} - {"Pretrainer"} == {name.split()[0] for name in TASKS}
