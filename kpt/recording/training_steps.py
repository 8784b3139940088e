"""Training steps on PyTorch, recorded once for each shape and then run without Keras's layers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import keras

from kpt.recording.operations import Recording, record

__all__ = ["RecordedSteps"]

#: Calls of a shape before it is recorded, which takes about as long as ten recorded steps save; and shapes that are
#: kept, the newest.
CALLS, KEPT = 10, 64


class RecordedSteps:
    """A mixin for `keras.Model`: on PyTorch, `fit` runs the operations of a step that it has recorded.

    PyTorch runs a model operation by operation, and for a small one Keras's layers take as long to find the next
    operation as the operation takes. So the forward and the backward pass are recorded for each shape of the batches
    (`kpt.recording.record`), and steps after that do the same operations, to the same numbers, without the layers. The
    optimizer runs as ever. As in a step that TensorFlow or JAX compile, what Python does in between is not done again.

    Recorded are models whose layers, objectives, losses and metrics are all Keras's or kpt's, on the CPU, unless
    `compile` is told `run_eagerly=True` or `jit_compile=True`, hooks are registered with PyTorch, or a step depends on
    values. All others run as they do in Keras.
    """

    def make_train_function(self, force: bool = False) -> Any:
        """Make what `fit` calls."""
        made = getattr(self, "train_function", None)
        function = super().make_train_function(force)  # type: ignore[misc]
        if (made is None or force) and keras.backend.backend() == "torch" and _may_be_recorded(self):
            self.train_function = _Step(self)
        return function


class _Step:
    """A step of `fit`."""

    def __init__(self, model: Any) -> None:
        self.model = model
        #: How often a shape came, or its recording with the names of the logs and the weights that have gradients;
        #: None for what cannot be recorded.
        self.found: dict[Any, int | tuple[Recording, list[str], list[int]] | None] = {}
        self.weights: list[Any] = []

    def __call__(self, batches: Any) -> Any:
        import torch

        model, data = self.model, batches[0]
        leaves = keras.tree.flatten(data)
        trained = model.trainable_weights[:]
        weights = [variable.value for variable in trained]
        tensors = [leaf for leaf in leaves if leaf is not None]
        on_cpu = all(isinstance(each, torch.Tensor) and each.device.type == "cpu" for each in tensors)
        if not weights or not on_cpu or torch.is_autocast_enabled("cpu"):
            return model.train_step(data)
        if not _same(weights, self.weights):  # some were frozen or replaced
            self.found.clear()
            self.weights = weights
        key = tuple(None if leaf is None else (leaf.shape, leaf.stride(), leaf.dtype) for leaf in leaves)
        found = self.found.get(key, 0)
        if found is None or (isinstance(found, int) and found < CALLS):
            self._keep(key, None if found is None else found + 1)
            return model.train_step(data)
        for weight in weights:
            weight.grad = None  # that of an ordinary step
        if isinstance(found, int):
            results, names, places = self._recorded(key, data, weights)
        else:
            recording, names, places = found
            with torch.no_grad():
                results = recording(*tensors)
        gradients = dict(zip(places, results[len(names) :], strict=True))
        with torch.no_grad():
            model.optimizer.apply([gradients.get(place) for place in range(len(weights))], trained)
        return dict(zip(names, results, strict=False))

    def _recorded(self, key: Any, data: Any, weights: list[Any]) -> tuple[Any, list[str], list[int]]:
        """Record a step; returns its logs and gradients, the names of the logs, and which weights have gradients."""
        leaves = keras.tree.flatten(data)
        names: list[str] = []
        places: list[int] = []

        def step(*tensors: Any) -> list[Any]:
            given = iter(tensors)
            inside = keras.tree.pack_sequence_as(data, [None if leaf is None else next(given) for leaf in leaves])
            logs, gradients = _forward_and_backward(self.model, inside, weights)
            names.extend(logs)
            places.extend(place for place, gradient in enumerate(gradients) if gradient is not None)
            return [*logs.values(), *(gradients[place] for place in places)]

        results, recording = record(step, [leaf for leaf in leaves if leaf is not None])
        self._keep(key, None if recording is None else (recording, names, places))
        return results, names, places

    def _keep(self, key: Any, found: Any) -> None:
        self.found.pop(key, None)
        self.found[key] = found
        while len(self.found) > KEPT:
            self.found.pop(next(iter(self.found)))


def _forward_and_backward(model: Any, data: Any, weights: list[Any]) -> tuple[dict[str, Any], Any]:
    """What `train_step` of Keras does before and after the optimizer: the logs, and a gradient or None per weight."""
    import torch

    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    outputs = model(x, training=True) if model._call_has_training_arg else model(x)
    loss = model._compute_loss(x=x, y=y, y_pred=outputs, sample_weight=sample_weight, training=True)
    rows = next(leaf for leaf in keras.tree.flatten(x) if leaf is not None).shape[0]
    model._loss_tracker.update_state(loss, sample_weight=rows)
    gradients = torch.autograd.grad(model.optimizer.scale_loss(loss), weights, allow_unused=True)
    return model.compute_metrics(x, y, outputs, sample_weight=sample_weight), gradients


def _same(some: list[Any], others: list[Any]) -> bool:
    return len(some) == len(others) and all(a is b for a, b in zip(some, others, strict=True))


def _may_be_recorded(model: Any) -> bool:
    if model.run_eagerly or model.jit_compile or type(model).train_step is not keras.Model.train_step:
        return False
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    if any(getattr(layer, name) for layer in model._flatten_layers() for name in hooks):
        return False
    return all(_is_known(part) for part in _parts(model))


def _parts(model: Any) -> Iterator[Any]:
    """What a step calls that a user may have written."""
    metrics, loss = model._compile_metrics, model._compile_loss
    yield from model._flatten_layers()
    yield from chain(getattr(model, "objectives", ()), model.metrics)
    for given in (
        metrics and (metrics._user_metrics, metrics._user_weighted_metrics),
        loss and loss._user_loss,
    ):
        yield from keras.tree.flatten(given)


def _is_known(part: Any) -> bool:
    """Whether a layer, loss or metric is Keras's or kpt's; one that a name stands for is."""
    if part is None or isinstance(part, str):
        return True
    called = getattr(part, "_fn", getattr(part, "fn", part))  # the function in a wrapper
    home = getattr(called, "__module__", None) or type(called).__module__
    return home.split(".")[0] in ("keras", "kpt") and type(part).__module__.split(".")[0] in (
        "keras",
        "kpt",
        "builtins",
    )
