"""Training steps on PyTorch, recorded once for each shape and then run without Keras's layers."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import keras
import numpy as np

from kpt.recording.known_parts import Settings, have_hooks, may_be_recorded, parts_of, same_objects
from kpt.recording.operations import Recording, record

__all__ = ["RecordedSteps"]

#: Calls of a shape before it is recorded, which takes about as long as six recorded steps save; recordings that are
#: kept; and the steps after which one that is not used gives way to another.
CALLS, KEPT, UNUSED = 6, 64, 1_000


class RecordedSteps:
    """A mixin for `keras.Model`: on PyTorch, `fit` runs the operations of a step that it has recorded.

    PyTorch runs a model operation by operation, and for a small one Keras's layers take as long to find the next
    operation as the operation takes. So the forward and the backward pass are recorded for each shape of the batches
    (`kpt.recording.record`), and steps after that do the same operations, to the same numbers, without the layers. The
    optimizer runs as ever, and gradients are left in `grad`.

    Recorded are models whose layers, objectives, losses and metrics are all Keras's or kpt's, functions that these were
    given included, on the CPU. All others run as they do in Keras, and so do those that have hooks of PyTorch's, are
    compiled with `run_eagerly=True` or `jit_compile=True`, or whose steps depend on values.

    It is recorded anew when weights, their tensors or layers are frozen or replaced, or the optimizer, its scale of the
    loss, the rate of a dropout or the weight of a loss is; and at the next `fit`, when a layer's dtype policy, one of
    its functions or numbers, or a tensor that it holds is another. What else of a layer, loss or metric is changed
    after `compile` is seen when the model is compiled again, as on backends that compile. `losses` of the model are
    those of the last ordinary step.
    """

    def make_train_function(self, force: bool = False) -> Any:
        """Make what `fit` calls."""
        made = getattr(self, "train_function", None)
        function = super().make_train_function(force)  # type: ignore[misc]
        if (made is None or force) and keras.backend.backend() == "torch":
            self.train_function = _Step(self, self.train_function)  # type: ignore[has-type]
        return function

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """Train as `keras.Model.fit` does."""
        if isinstance(step := getattr(self, "train_function", None), _Step):
            step.look()
        return super().fit(*args, **kwargs)  # type: ignore[misc]

    @property
    def step_constants(self) -> Hashable:
        """What a step depends on that may change from one to the next, beside weights and what is trained."""
        return None


class _Step:
    """A step of `fit`.

    Args:
        model: the model.
        ordinary: the step as Keras makes it.
    """

    def __init__(self, model: Any, ordinary: Any) -> None:
        self.model, self.ordinary = model, ordinary
        self.steps = 0
        self.counts: dict[Any, int] = {}
        #: For each shape its recording, the names of the logs, the weights that have gradients, and the step that it
        #: was last used in; the one that was used last stands last. None for what cannot be recorded.
        self.found: dict[Any, tuple[Recording, list[str], list[int], int] | None] = {}
        self.tensors: list[Any] = []
        self.state: Any = None
        self.look()

    def look(self) -> None:
        """Look whether the model may be recorded, and what it is made of."""
        self.possible, self.layers = may_be_recorded(self.model), list(self.model._flatten_layers())
        self.settings = Settings(parts_of(self.model))

    def __call__(self, batches: Any) -> Any:
        import torch

        model = self.model
        if not same_objects(layers := list(model._flatten_layers()), self.layers):
            self.look()
        if not self.possible or not torch.is_grad_enabled() or torch.is_anomaly_enabled():
            return self.ordinary(batches)
        data = keras.tree.map_structure(_as_tensor, batches[0])
        tensors = [leaf for leaf in keras.tree.flatten(data) if leaf is not None]
        if torch.is_autocast_enabled("cpu") or not all(map(_is_plain, tensors)):
            return self.ordinary(batches)
        trained = model.trainable_weights[:]
        weights = [variable.value for variable in trained]
        if not weights or have_hooks(layers, weights):
            return self.ordinary(batches)
        self._forget_what_is_different([variable.value for variable in model.variables])
        self.steps += 1
        key = _key(data)
        found = self.found.get(key)
        if found is None and not self._is_to_be_recorded(key):
            return self.ordinary(batches)
        for weight in weights:
            weight.grad = None
        if found is None:
            results, names, places = self._recorded(key, data, tensors, weights)
        else:
            recording, names, places, _ = found
            del self.found[key]  # so that it stands last
            self.found[key] = (recording, names, places, self.steps)
            with torch.no_grad():
                results = recording(*tensors)
        for place, gradient in zip(places, results[len(names) :], strict=True):
            weights[place].grad = gradient
        with torch.no_grad():
            model.optimizer.apply([weight.grad for weight in weights], trained)
        return dict(zip(names, results, strict=False))

    def _forget_what_is_different(self, tensors: list[Any]) -> None:
        optimizer = self.model.optimizer
        state = (
            optimizer,
            optimizer.loss_scale_factor,
            self.model.step_constants,
            self.settings,
            [(layer.trainable, getattr(layer, "rate", None), getattr(layer, "dropout", None)) for layer in self.layers],
            [tensor.requires_grad for tensor in tensors],
        )
        if state != self.state or not same_objects(tensors, self.tensors):
            self.found.clear()
            self.counts.clear()
            self.tensors, self.state = tensors, state

    def _is_to_be_recorded(self, key: Any) -> bool:
        if key in self.found:  # it cannot be
            return False
        self.counts[key] = self.counts.pop(key, 0) + 1
        while len(self.counts) > 16 * KEPT:
            self.counts.pop(next(iter(self.counts)))
        if self.counts[key] <= CALLS:
            return False
        if len(self.found) < KEPT:
            return True
        oldest = next(iter(self.found))
        last_used = found[-1] if (found := self.found[oldest]) else 0
        if last_used + UNUSED > self.steps:  # or many shapes would go on driving each other out
            return False
        self.found.pop(oldest)
        return True

    def _recorded(
        self, key: Any, data: Any, tensors: list[Any], weights: list[Any]
    ) -> tuple[Any, list[str], list[int]]:
        """Record a step; returns its logs and gradients, the names of the logs, and which weights have gradients."""
        leaves = keras.tree.flatten(data)
        names: list[str] = []
        places: list[int] = []

        def step(*tensors: Any) -> list[Any]:
            given = iter(tensors)
            inside = keras.tree.pack_sequence_as(data, [None if leaf is None else next(given) for leaf in leaves])
            logs, gradients = _forward_and_backward(self.model, inside, weights)
            names.extend(logs)
            places.extend(gradients)
            return [*logs.values(), *gradients.values()]

        results, recording = record(step, tensors)
        self.counts.pop(key, None)
        self.found[key] = None if recording is None else (recording, names, places, self.steps)
        return results, names, places


def _forward_and_backward(model: Any, data: Any, weights: list[Any]) -> tuple[dict[str, Any], dict[int, Any]]:
    """What `train_step` of Keras does before and after the optimizer: the logs, and the gradients by their weights."""
    import torch

    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    outputs = model(x, training=True) if model._call_has_training_arg else model(x)
    loss = model._compute_loss(x=x, y=y, y_pred=outputs, sample_weight=sample_weight, training=True)
    rows = next(leaf for leaf in keras.tree.flatten(x) if leaf is not None).shape[0]
    model._loss_tracker.update_state(loss, sample_weight=rows)
    places = [place for place, weight in enumerate(weights) if weight.requires_grad]
    scaled = model.optimizer.scale_loss(loss)
    found = torch.autograd.grad(scaled, [weights[place] for place in places], allow_unused=True)
    gradients = {
        place: _like(weights[place], each) for place, each in zip(places, found, strict=True) if each is not None
    }
    return model.compute_metrics(x, y, outputs, sample_weight=sample_weight), gradients


def _like(weight: Any, gradient: Any) -> Any:
    """A gradient with its entries in the order in memory that those of the weight have, as PyTorch keeps it."""
    import torch

    return gradient if gradient.stride() == weight.stride() else torch.empty_like(weight).copy_(gradient)


def _as_tensor(leaf: Any) -> Any:
    """What a batch has, with arrays of numbers as tensors."""
    numbers = isinstance(leaf, np.ndarray) and leaf.dtype.kind in "biuf"
    return keras.ops.convert_to_tensor(leaf) if numbers else leaf


def _is_plain(leaf: Any) -> bool:
    """Whether a leaf of a batch is a tensor on the CPU without a gradient."""
    import torch

    return isinstance(leaf, torch.Tensor) and leaf.device.type == "cpu" and not leaf.requires_grad


def _key(nest: Any) -> Hashable:
    """What two batches have in common that one recording serves: all but the numbers."""
    if isinstance(nest, dict):  # in the order of `keras.tree`, which sorts the names of a plain one alone
        names = sorted(nest) if type(nest) is dict else nest
        return type(nest), *((name, _key(nest[name])) for name in names)
    if isinstance(nest, tuple | list):
        return type(nest), *map(_key, nest)
    return nest if nest is None else (nest.shape, nest.stride(), nest.dtype)
