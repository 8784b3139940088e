"""The same losses on one device, several replicas, several workers and meshes."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter

from kpt.data import Batches, LabelledBatches, LabelledExamples, encode_texts
from kpt.data.replayed import ReplayedExamples
from kpt.distribution import keras_repairs, replica_batches
from kpt.distribution.keras_repairs import GlobalMean, StrategyModel, repair_optimizer
from tests.distribution.processes import run_together
from tests.distribution.training_losses import SETTINGS, STEPS, THREE
from tests.export.reference import tiny_tokenizer


@cache
def losses(*settings: str, **options: Any) -> list[dict[str, Any]]:
    """What each process of these settings logged, in a run of its own for all of them."""
    outputs = run_together(["-m", "tests.distribution.training_losses", *settings], **options)
    return [json.loads(next(line for line in output.splitlines() if line.startswith("{"))) for output in outputs]


def single_process() -> dict[str, Any]:
    return losses("one", "mirrored-2", "mirrored-4")[0]


def check(found: dict[str, Any], setting: str, tolerance: float) -> None:
    """Compare all that was logged with what one device logs."""
    alone = single_process()["one"]
    assert set(found[setting]) == set(SETTINGS[setting].get("models", alone))
    for model, logs in found[setting].items():
        assert set(logs) == set(alone[model])
        for name, values in logs.items():
            np.testing.assert_allclose(values, alone[model][name], rtol=0, atol=tolerance, err_msg=f"{model} {name}")


def test_one_device_learns_in_twenty_steps() -> None:
    """What the other tests compare with is no constant."""
    alone = single_process()["one"]
    for model in THREE:
        assert len(alone[model]["loss"]) == STEPS
        assert alone[model]["epoch loss"][1] < alone[model]["epoch loss"][0] - 0.01
    for model in ("accumulated", "accumulated bert", "accumulated gpt"):
        assert len(set(alone[model]["loss"])) > STEPS // 2
    for model in ("bert", "gpt"):  # it is another course than without
        assert alone[f"accumulated {model}"]["loss"][0] == alone[model]["loss"][0]
        assert abs(alone[f"accumulated {model}"]["loss"][-1] - alone[model]["loss"][-1]) > 1e-3
    assert len(alone["accumulated"]["epoch val_loss"]) == 2
    assert len(alone["classifier"]["loss"]) == 4  # of two epochs, the second batch of which has one row


@pytest.mark.parametrize("setting", ["mirrored-2", "mirrored-4"])
def test_mirrored_replicas(setting: str) -> None:
    check(single_process(), setting, 1e-5)


def test_two_workers() -> None:
    first, second = losses("multi-worker", count=2)
    assert first == second
    check(first, "multi-worker", 1e-5)


def test_meshes_on_jax() -> None:
    (found,) = losses("mesh-8", "mesh-2x4", backend="jax", devices=8)
    check(found, "mesh-8", 1e-4)
    check(found, "mesh-2x4", 1e-4)


def test_two_processes_on_jax() -> None:
    first, second = losses("processes", count=2, backend="jax", devices=4)
    assert first == second
    check(first, "processes", 1e-4)


def test_global_mean_is_a_mean_on_one_device() -> None:
    mean = GlobalMean(name="loss")
    mean.update_state(2.0, sample_weight=3)
    mean.update_state(6.0, sample_weight=1)
    assert float(mean.result()) == pytest.approx(3.0)


def test_an_optimizer_that_was_made_outside_of_the_scope() -> None:
    import tensorflow as tf

    from kpt import InputError, Word2Vec

    optimizer = keras.optimizers.SGD(0.1)
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        model = Word2Vec(10, 4)
    with pytest.raises(InputError, match="the optimizer was made outside of the strategy's scope; make it inside"):
        model.compile(optimizer=optimizer)


def test_repairing_an_optimizer_twice() -> None:
    import tensorflow as tf

    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        variable = keras.Variable(np.ones(3, "float32"))
        optimizer = keras.optimizers.SGD(0.5, gradient_accumulation_steps=2, global_clipnorm=1.0)
        optimizer.build([variable])
    repair_optimizer(optimizer)
    repair_optimizer(optimizer)

    @tf.function
    def step(gradient: Any) -> None:
        tf.distribute.get_strategy().run(lambda: optimizer.apply([tf.identity(gradient)], [variable]))

    with optimizer._distribution_strategy.scope():
        step(tf.constant([3.0, 0.0, 0.0]))
        assert variable.numpy().tolist() == [1.0, 1.0, 1.0]
        step(tf.constant([5.0, 0.0, 0.0]))  # the mean, 4, is cut to 1
        assert variable.numpy().tolist() == [0.5, 1.0, 1.0]
        step(tf.constant([0.0, 0.5, 0.0]))
        step(tf.constant([0.0, 0.5, 0.0]))
        assert variable.numpy().tolist() == [0.5, 0.75, 1.0]


class Numbers(keras.utils.PyDataset):
    """Two batches of two rows."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Any:
        return np.ones((2, 3), np.float32), np.ones((2, 1), np.float32)


class Maker:
    """Makes batches like those of `Numbers`."""

    def steps(self, batch_size: int) -> int:
        return 2

    def examples(self, step: int, batch_size: int, rows: slice = slice(None)) -> Any:
        return Numbers()[step]


class Model(StrategyModel, keras.Sequential):
    """A model as kpt has them."""


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="each backend has its own default")
def test_batches_are_told_whether_the_model_is_compiled_for_each_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[bool] = []
    monkeypatch.setattr(Batches, "made_for", lambda _, compiled: told.append(compiled))
    model, batches = Model([keras.Input((3,)), keras.layers.Dense(1)]), Batches(Maker(), batch_size=2, steps=2)
    for jit_compile, wanted in (("auto", False), (True, True), (False, False)):
        model.compile("sgd", "mse", jit_compile=jit_compile)
        model.fit(batches, verbose=0)
        model.evaluate(batches, verbose=0)
        model.predict(batches, verbose=0)
        assert told == [wanted] * 3
        told.clear()


@pytest.fixture
def untuned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The modules that have taken the tuning off a data set."""
    calls: list[str] = []
    for module in (keras_repairs, replica_batches):
        end = module.ending_at_once
        monkeypatch.setattr(
            module, "ending_at_once", lambda data, end=end, name=module.__name__: (calls.append(name), end(data))[1]
        )
    return calls


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.data is TensorFlow's")
def test_only_the_passes_of_our_models_are_not_tuned(untuned: list[str]) -> None:
    def passes(model: keras.Model) -> int:
        model.compile("sgd", "mse")
        arrays = np.ones((4, 3), np.float32), np.ones((4, 1), np.float32)
        batches = [Batches(Maker(), batch_size=2, steps=2)] if isinstance(model, StrategyModel) else []
        for data in ((Numbers(),), arrays, *((each,) for each in batches)):
            model.fit(*data, validation_data=data if len(data) == 2 else data[0], batch_size=None, verbose=0)
            model.evaluate(*data, verbose=0)
            model.predict(data[0], verbose=0)
        found, untuned[:] = len(untuned), []
        return found

    layers = [keras.Input((3,)), keras.layers.Dense(1)]
    assert passes(Model(layers)) == 12
    assert passes(keras.Sequential(layers)) == 0
    assert PyDatasetAdapter(Numbers()).get_tf_dataset().options().autotune.enabled is not False


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.data is TensorFlow's")
def test_under_a_strategy_the_data_of_the_devices_are_not_tuned_either(untuned: list[str]) -> None:
    import tensorflow as tf

    for kind, modules in ((Model, {keras_repairs.__name__, replica_batches.__name__}), (keras.Sequential, set())):
        with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
            model = kind([keras.Input((3,)), keras.layers.Dense(1)])
            model.compile("sgd", "mse")
        batches = Batches(Maker(), batch_size=2, steps=2) if kind is Model else Numbers()
        model.fit(batches, verbose=0)
        assert set(untuned) == modules
        untuned.clear()


class Widths(StrategyModel, keras.Model):
    """Notes the widths of the batches that it is trained on."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = keras.layers.Dense(1)
        self.widths: list[int] = []

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return self.dense(keras.ops.cast(inputs["padding_mask"], "float32")[:, :1])

    def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, *_: Any, **__: Any) -> Any:
        return keras.ops.mean(y_pred**2)

    def compute_metrics(self, *_: Any, **__: Any) -> dict[str, Any]:
        return {"loss": keras.ops.zeros(())}

    def train_step(self, data: Any) -> Any:
        self.widths.append(data[0]["token_ids"].shape[1])
        return super().train_step(data)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.data is TensorFlow's")
def test_an_epoch_of_one_batch_may_be_wider_than_the_one_before() -> None:
    tokenizer = tiny_tokenizer()

    def texts(counts: list[int]) -> LabelledExamples:
        encoded = encode_texts(tokenizer, ["the " * count for count in counts], length=64)
        return LabelledExamples(encoded, tokenizer.vocabulary, np.zeros(len(counts)))

    stored = texts(list(range(1, 41)))
    examples = ReplayedExamples({"new": texts([1] * 6), "old": stored}, "new", {"old": np.arange(40)}, share=0.25)
    batches = LabelledBatches(examples, batch_size=8)
    assert len(batches) == 1
    model = Widths()
    model.compile("sgd", run_eagerly=True)
    model.fit(batches, epochs=8, verbose=0)
    longest = [batches.batch(step)[0]["padding_mask"].sum(axis=1).max() for step in range(8)]
    assert model.widths[-8:] == longest and len(set(longest)) > 3
