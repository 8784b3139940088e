from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any

import keras
import pytest
from keras import ops

from kpt.objectives import CausalLM, Pretrainer
from kpt.recording import training_steps
from kpt.recording.known_parts import Settings
from kpt.tasks import Classifier
from kpt.training import adamw
from tests.batches import tiny_decoder, tiny_encoder
from tests.recording.recorded_models import (
    ARRAYS,
    BATCH,
    LABELLED,
    UNSEGMENTED,
    batches,
    bert,
    fitted,
    made,
    plain,
    recordings,
    wrapped_encoder,
)
from tests.tasks.test_multi_task import small_model

pytestmark = pytest.mark.skipif(keras.backend.backend() != "torch", reason="other backends compile")


@pytest.fixture(autouse=True)
def early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_steps, "CALLS", 3)


# What a user may have written: how it is made, given what notes a call.
Note = Callable[[], None]


def mean_error(note: Note) -> Callable[..., Any]:
    def error(y: Any, outputs: Any) -> Any:
        note()
        return ops.mean(ops.square(outputs - ops.cast(y, outputs.dtype)))

    return error


def own_loss(note: Note) -> Any:
    class OwnLoss(keras.losses.Loss):
        def call(self, y: Any, outputs: Any) -> Any:
            return mean_error(note)(y, outputs)

    return OwnLoss()


def own_metric(note: Note) -> Any:
    class OwnMetric(keras.metrics.Mean):
        def update_state(self, y: Any, outputs: Any, sample_weight: Any = None) -> None:
            super().update_state(mean_error(note)(y, outputs))

    return OwnMetric()


def own_classifier(note: Note, method: str, replaced: bool) -> Any:
    """A classifier with a method of one's own: in a class, or replaced in the object."""

    class Own(Classifier):
        pass

    made = (Classifier if replaced else Own)(tiny_encoder(), ["a", "b"])
    theirs = getattr(made if replaced else Classifier, method)

    def noting(*args: Any, **kwargs: Any) -> Any:
        note()
        return theirs(*args, **kwargs)

    setattr(made if replaced else Own, method, noting)
    return made


def own_encoder(note: Note, change: str) -> Any:
    def like(x: Any) -> Any:
        note()
        return ops.relu(x)

    class OwnRegularizer(keras.Regularizer):
        def __call__(self, x: Any) -> Any:
            note()
            return ops.sum(x) * 0.0

    encoder = tiny_encoder()
    layer = next(
        each for each in encoder.get_layer("block_0")._flatten_layers() if getattr(each, "activation", None) is not None
    )

    class Object:
        def __call__(self, x: Any) -> Any:
            return like(x)

    given = {"activation": like, "object": Object(), "partial": functools.partial(like)}
    if change in given:
        layer.activation = given[change]
    else:
        layer.activity_regularizer = OwnRegularizer()
    return Classifier(encoder, ["a", "b"])


def own_task_loss(note: Note) -> Any:
    model = small_model()
    theirs = model.task_losses["mood"]

    class OwnLoss(keras.losses.Loss):
        def call(self, y: Any, outputs: Any) -> Any:
            note()
            return theirs.call(y, outputs)

    model.task_losses["mood"] = OwnLoss()
    return model


def replaced_metric(note: Note) -> Any:
    metric = keras.metrics.MeanSquaredError()
    theirs = metric.update_state

    @functools.wraps(theirs)
    def noting(*args: Any, **kwargs: Any) -> Any:
        note()
        return theirs(*args, **kwargs)

    metric.update_state = noting
    return metric


def own_objective(note: Note) -> Any:
    class OwnObjective(CausalLM):
        def loss(self, *args: Any) -> Any:
            note()
            return super().loss(*args)

    return Pretrainer(tiny_decoder(), [OwnObjective()])


def own_operation(note: Note) -> Any:
    class Own(keras.Operation):
        def call(self, x: Any) -> Any:
            note()
            return x * 1.0

        def compute_output_spec(self, x: Any) -> Any:
            return keras.KerasTensor(x.shape, x.dtype)

    return wrapped_encoder(Own())


def own_regularizer_of_a_variable(note: Note) -> Any:
    def penalty(x: Any) -> Any:
        note()
        return ops.sum(x) * 0.0

    model = plain()
    model.trainable_variables[0].regularizer = penalty
    return model


def wrapped(note: Note) -> Any:
    """A module of PyTorch's in a layer of Keras's."""
    import torch

    class Module(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            note()
            return x * 1

    model = plain()
    model.dropout = keras.layers.TorchModuleWrapper(Module())
    return model


OWN: dict[str, Callable[[Note], tuple[Any, dict[str, Any], Any]]] = {
    "loss": lambda note: (plain(), {"loss": own_loss(note)}, LABELLED),
    "loss function": lambda note: (plain(), {"loss": mean_error(note)}, LABELLED),
    "metric": lambda note: (plain(), {"loss": "mse", "metrics": [own_metric(note)]}, LABELLED),
    "metric function": lambda note: (plain(), {"loss": "mse", "metrics": [mean_error(note)]}, LABELLED),
    "activation": lambda note: (own_encoder(note, "activation"), {"loss": "mse"}, LABELLED),
    "activation object": lambda note: (own_encoder(note, "object"), {"loss": "mse"}, LABELLED),
    "activation in part": lambda note: (own_encoder(note, "partial"), {"loss": "mse"}, LABELLED),
    "task's loss": lambda note: (own_task_loss(note), {}, batches(small_model())[0]),
    "metric replaced": lambda note: (plain(), {"loss": "mse", "metrics": [replaced_metric(note)]}, LABELLED),
    "regularizer": lambda note: (own_encoder(note, "regularizer"), {"loss": "mse"}, LABELLED),
    "operation": lambda note: (own_operation(note), {"loss": "mse"}, UNSEGMENTED),
    "variable's regularizer": lambda note: (own_regularizer_of_a_variable(note), {"loss": "mse"}, LABELLED),
    "objective": lambda note: (own_objective(note), {}, (BATCH,)),
    "module": lambda note: (wrapped(note), {"loss": "mse"}, LABELLED),
    **{
        f"{method} {'replaced' if replaced else 'overridden'}": (
            lambda note, method=method, replaced=replaced: (
                own_classifier(note, method, replaced),
                {"loss": "mse"},
                LABELLED,
            )
        )
        for method in ("call", "compute_loss", "compute_metrics", "train_step")
        for replaced in (False, True)
    },
}


@pytest.mark.parametrize("kind", OWN)
def test_what_a_user_wrote_is_called_each_time(kind: str) -> None:
    calls: list[int] = []
    model, compilation, data = OWN[kind](lambda: calls.append(1))
    model.compile("sgd", **compilation)
    for _ in range(training_steps.CALLS + 3):
        model.train_on_batch(*data)
    assert len(calls) >= training_steps.CALLS + 3


def test_a_scale_of_ones_own_is_asked_for_each_time() -> None:
    calls: list[int] = []

    class Own(keras.optimizers.SGD):
        def scale_loss(self, loss: Any) -> Any:
            calls.append(1)
            return super().scale_loss(loss)

    fitted(made(bert), optimizer=Own(0.1))
    assert len(calls) == training_steps.CALLS + 1


def test_settings_keep_what_they_are_of() -> None:
    layer = keras.layers.Dense(2, activation=lambda x: x)
    gone = weakref.ref(layer.activation)
    before = Settings([layer])
    layer.activation = None
    assert gone() is not None and before != Settings([layer])
    layer.activation = gone()
    assert before == Settings([layer])


@pytest.mark.parametrize("kind", ["module", "tensor", "accumulated"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_hooks_are_called_each_time(kind: str, when: str) -> None:
    calls: list[int] = []
    model = made(bert)
    layer = model.backbone.get_layer("block_0")

    def register() -> None:
        weight = layer.trainable_weights[0].value
        registers = {
            "module": layer.register_forward_hook,
            "tensor": weight.register_hook,
            "accumulated": weight.register_post_accumulate_grad_hook,
        }
        registers[kind](lambda *_: calls.append(1) and None)

    if when == "before":
        register()
    model.compile(adamw(0.01, 100, 0))
    for _ in range(training_steps.CALLS + 2):
        model.fit(ARRAYS, batch_size=8, shuffle=False, verbose=0)
    calls.clear()
    if when == "after":
        assert recordings(model) == 1
        register()
    for _ in range(3):
        model.fit(ARRAYS, batch_size=8, shuffle=False, verbose=0)
    assert len(calls) == 3


@pytest.mark.parametrize("where", ["callback", "everywhere"])
def test_hooks_that_come_in_a_fit_are_called(where: str) -> None:
    from torch.nn.modules import module

    calls: list[int] = []
    model = fitted(made(bert))
    layer, handles = model.backbone.get_layer("block_0"), []
    register = module.register_module_forward_hook if where == "everywhere" else layer.register_forward_hook

    def begin(_: Any) -> None:
        handles.append(register(lambda called, *_: calls.append(1) if called is layer else None))

    callback = keras.callbacks.LambdaCallback(on_train_begin=begin, on_train_end=lambda _: handles.pop().remove())
    for _ in range(2):
        model.fit(ARRAYS, batch_size=8, epochs=3, verbose=0, callbacks=[callback])
    assert len(calls) == 6
