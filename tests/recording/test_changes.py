"""What is changed after a step was recorded is seen in the steps after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from kpt.models import Encoder
from kpt.objectives import Pretrainer
from kpt.recording import training_steps
from kpt.tasks import MultiTask
from tests.numbers import array
from tests.recording.recorded_models import (
    ARRAYS,
    BATCH,
    FITTED,
    attention,
    batches,
    bert,
    dropouts,
    fitted,
    made,
    normalized,
    normalized_by_constants,
    plain,
    recordings,
)
from tests.tasks.test_multi_task import small_model

pytestmark = pytest.mark.skipif(keras.backend.backend() != "torch", reason="other backends compile")


def seeded(model: Any) -> Any:
    """Return the first layer that draws random numbers."""
    return next(layer for layer in model._flatten_layers() if hasattr(layer, "seed_generator"))


def scaled(model: Any) -> keras.optimizers.Optimizer:
    optimizer = keras.optimizers.SGD(0.1, loss_scale_factor=8.0)
    optimizer.build(model.trainable_variables)
    return optimizer


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


@pytest.fixture(autouse=True)
def early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_steps, "CALLS", 3)


class TestChanges:
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
