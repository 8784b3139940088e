from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops, tree

from kpt.data.task_mixture import joint_batch
from kpt.generation import generate
from kpt.layers import watched_attention
from kpt.models import Encoder
from kpt.objectives import CausalLM, MaskedLM, NextSentence, Pretrainer
from kpt.recording import operations, training_steps
from kpt.tasks import Classifier, MultiTask
from kpt.training import adamw
from tests.batches import inputs_of, random_batch, tiny_decoder, tiny_encoder
from tests.numbers import array
from tests.objectives.test_contract import CASES as OBJECTIVES
from tests.tasks.test_contract import CASES as TASKS
from tests.tasks.test_multi_task import made_examples, small_model

pytestmark = pytest.mark.skipif(keras.backend.backend() != "torch", reason="other backends compile")
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


def seeded(model: Any) -> Any:
    """Return the first layer that draws random numbers."""
    return next(layer for layer in model._flatten_layers() if hasattr(layer, "seed_generator"))


def dropouts(model: Any) -> list[Any]:
    """Return the layers with a rate."""
    return [layer for layer in model._flatten_layers() if hasattr(layer, "rate")]


def attention(model: Any) -> Any:
    """Return the first attention."""
    return model.backbone.get_layer("block_0").attention


def scaled(model: Any) -> keras.optimizers.Optimizer:
    optimizer = keras.optimizers.SGD(0.1, loss_scale_factor=8.0)
    optimizer.build(model.trainable_variables)
    return optimizer


def plain() -> Classifier:
    return Classifier(tiny_encoder(), ["a", "b"])


LABELLED: Any = (inputs_of(BATCH), ops.convert_to_tensor(np.eye(2, dtype="float32")[[0, 1] * 4]))


UNSEGMENTED: Any = (
    {name: BATCH[name] for name in ("token_ids", "padding_mask")},
    ops.convert_to_tensor(np.eye(3, dtype="float32")[[0, 1, 2, 0, 1, 2, 0, 1]]),
)
FITTED: Any = tree.map_structure(array, UNSEGMENTED)


def regularize(model: Any) -> None:
    model.trainable_variables[0].regularizer = keras.regularizers.L2(0.1)


def renormalize(model: Any) -> None:
    norm = model.backbone.get_layer("norm")
    norm.mean = norm.mean + 1.0


def norms(model: Any) -> list[Any]:
    return [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.LayerNormalization)]


def widen(model: Any) -> None:
    for layer in norms(model):
        layer.epsilon = 0.5


def lower(model: Any) -> None:
    encoder = next(layer for layer in model.backbone.layers if isinstance(layer, Encoder))
    for layer in encoder._flatten_layers():
        layer.dtype_policy = "mixed_bfloat16"


def bend(model: Any) -> None:
    for layer in model._flatten_layers():
        if getattr(layer, "activation", None) is keras.activations.gelu:
            layer.activation = keras.activations.sigmoid


BETWEEN_FITS: dict[str, Callable[[Any], None]] = {
    "regularizer": regularize,
    "tensor": renormalize,
    "tensor written into": lambda model: model.backbone.get_layer("norm").mean.add_(1.0),
    "number": widen,
    "number of numpy's": lambda model: [setattr(each, "epsilon", np.float32(0.5)) for each in norms(model)],
    "policy": lower,
    "function": bend,
}


def fitted(model: Any, **options: Any) -> Any:
    model.compile(**{"optimizer": adamw(0.01, 100, 0), **options})
    for _ in range(training_steps.CALLS + 1):
        model.train_on_batch(BATCH)
    return model


class TestSteps:
    def test_what_callbacks_change_is_seen(self) -> None:
        found = []
        for eager in (True, False):
            model = fitted(made(bert), optimizer=keras.optimizers.SGD(0.1), run_eagerly=eager)
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

    def both(self, make: Callable[[], Any], change: Callable[[Any], None], optimizer: Any = None) -> list[Any]:
        """The logs and variables of an ordinary and of a recorded model that are changed after some steps."""
        found = []
        for eager in (True, False):
            keras.utils.set_random_seed(1)
            model = make()
            loss = {} if isinstance(model, Pretrainer | MultiTask) else {"loss": "mse"}
            model.compile(keras.optimizers.SGD(0.1), run_eagerly=eager, **loss)
            data = batches(model)[0]
            for _ in range(training_steps.CALLS + 2):
                model.train_on_batch(*data)
            change(model)
            logs = [model.train_on_batch(*data, return_dict=True) for _ in range(training_steps.CALLS + 2)]
            found.append([logs, *(array(variable.value).tolist() for variable in model.variables)])
            if not eager:
                assert recordings(model) >= 1
        return found

    @pytest.mark.parametrize(
        ("make", "change"),
        [
            (bert, lambda model: setattr(model.objectives[0], "weight", 0.25)),
            (small_model, lambda model: model.loss_weights.update({"mood": 0.0})),
            (bert, lambda model: setattr(model, "optimizer", scaled(model))),
            (bert, lambda model: model.backbone.token_embedding.embeddings.value.requires_grad_(False)),
            (normalized, lambda model: setattr(model.backbone.get_layer("norm"), "trainable", False)),
            (bert, lambda model: setattr(model.optimizer, "loss_scale_factor", 64.0)),
            (plain, lambda model: setattr(model, "dropout", keras.layers.Dropout(0.5))),
            (bert, lambda model: setattr(seeded(model), "seed_generator", keras.random.SeedGenerator(7))),
            (bert, lambda model: setattr(attention(model), "dropout", 0.0)),
        ],
        ids=["objective", "task", "optimizer", "tensor", "statistics", "scale", "layer", "seeds", "attention"],
    )
    def test_what_is_set_between_steps_is_seen(self, make: Any, change: Any) -> None:
        ordinary, recorded = self.both(make, change)
        assert ordinary == recorded

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

    def test_rates_are_seen_in_a_fit(self) -> None:
        found = []
        for eager in (True, False):
            keras.utils.set_random_seed(0)
            model = made(bert)
            model.compile(keras.optimizers.SGD(0.1), run_eagerly=eager)
            kept: list[int] = []

            def change(epoch: int, _: Any, model: Any = model, kept: list[int] = kept) -> None:
                if epoch == training_steps.CALLS + 2:
                    kept.append(recordings(model) if not model.run_eagerly else 1)
                    for layer in dropouts(model):
                        layer.rate = 0.0

            callback = keras.callbacks.LambdaCallback(on_epoch_begin=change)
            options: dict[str, Any] = {"batch_size": 8, "epochs": training_steps.CALLS + 5, "verbose": 0}
            found.append(model.fit(ARRAYS, callbacks=[callback], **options).history["loss"])
            assert kept == [1] and len(dropouts(model)) > 2
        assert found[0] == found[1]

    @pytest.mark.parametrize("change", BETWEEN_FITS.values(), ids=BETWEEN_FITS)
    def test_what_is_set_between_fits_is_seen(self, change: Callable[[Any], None]) -> None:
        options: dict[str, Any] = {"batch_size": 8, "epochs": training_steps.CALLS + 2, "verbose": 0}
        found = []
        for eager in (True, False):
            keras.utils.set_random_seed(0)
            model = made(normalized_by_constants)
            model.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=eager)
            model.fit(*FITTED, **options)
            change(model)
            found.append(model.fit(*FITTED, **options).history["loss"])
            assert eager or recordings(model) == 1
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
