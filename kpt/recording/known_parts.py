"""Which models PyTorch's steps may be recorded of: those that are known in all their parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from types import FunctionType, MethodType
from typing import Any

import keras

__all__ = ["Settings", "have_hooks", "may_be_recorded", "parts_of", "same_objects"]

# What is no setting: what `fit`, `evaluate` and `predict` make of a model, and note of what they are at.
_STEPS, _STOPS = ("train_function", "test_function", "predict_function"), ("training", "evaluating", "predicting")
_NO_SETTINGS = (*_STEPS, *(f"stop_{verb}" for verb in _STOPS), "training")
# What is called, but not in the forward or the backward pass.
_OUTSIDE = ("_initializer", "_constraint")
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def may_be_recorded(model: Any) -> bool:
    """Return whether a training step of a compiled model does what Keras and kpt do, and nothing else.

    What others have written may keep count, print, or look at numbers; it is to be called each time.

    Args:
        model: A model of Keras's on PyTorch.
    """
    if model.run_eagerly or model.jit_compile or type(model).train_step is not keras.Model.train_step:
        return False
    inner = getattr(model.optimizer, "inner_optimizer", None)
    if not all(_is_known(each.scale_loss) for each in (model.optimizer, inner) if each is not None):
        return False
    return all(_is_known(part) and all(map(_is_known, _functions(part))) for part in parts_of(model))


class Settings:
    """What layers and other parts of a model do beside reading their weights: functions, numbers, tensors they hold.

    Equal to another if all are the same objects, which are kept, so that no other can come to stand for them.

    Args:
        parts: Layers, losses and so on; of those that are not layers only whether they are the same ones.
    """

    def __init__(self, parts: Iterable[Any]) -> None:
        self._objects = [each for part in parts for each in (part, *_settings(part))]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Settings) and same_objects(self._objects, other._objects)


def same_objects(some: Sequence[Any], others: Sequence[Any]) -> bool:
    """Return whether two sequences have the same objects in the same places."""
    return len(some) == len(others) and all(a is b for a, b in zip(some, others, strict=True))


def have_hooks(layers: Sequence[Any], weights: Sequence[Any]) -> bool:
    """Return whether PyTorch calls something of a user's when layers are called, or gradients of tensors come.

    Args:
        layers: Layers.
        weights: PyTorch's parameters.
    """
    from torch.nn.modules import module

    return (
        any(weight._backward_hooks or weight._post_accumulate_grad_hooks for weight in weights)
        or any(getattr(layer, name) for layer in layers for name in _HOOKS)
        or any(getattr(layer, "watch", None) is not None for layer in layers)  # see `kpt.layers.watched_attention`
        or any(getattr(module, f"_global{name}", None) for name in _HOOKS)
    )


def parts_of(model: Any) -> Iterator[Any]:
    """Return what the forward and the backward pass of a compiled model call that a user may have written."""
    metrics, loss = model._compile_metrics, model._compile_loss
    for layer in model._flatten_layers():
        yield layer
        yield from getattr(layer, "operations", ())  # of a functional model; not all of them are layers
    yield from (variable.regularizer for variable in model.trainable_variables)
    yield from getattr(model, "objectives", ())
    yield from model.metrics
    yield from getattr(model, "task_losses", {}).values()
    yield from keras.tree.flatten(metrics and (metrics._user_metrics, metrics._user_weighted_metrics))
    yield from keras.tree.flatten(loss and loss._user_loss)


def _settings(part: Any) -> Iterator[Any]:
    """What a layer was told, and tensors that are not variables."""
    if not isinstance(part, keras.Layer):
        return
    yield part.dtype_policy
    for name, value in list(vars(part).items()):
        public = name[0] != "_" and isinstance(value, bool | int | float | str | None)
        if name not in _NO_SETTINGS and (public or callable(value) or keras.ops.is_tensor(value)):
            yield value


def _functions(part: Any) -> Iterator[Any]:
    """What a part calls that it was given: activations, regularizers, the function of a `Lambda`, other methods."""
    for name, value in list(vars(part).items()) if hasattr(part, "__dict__") else ():
        if name in _NO_SETTINGS or name.endswith(_OUTSIDE):
            continue
        if callable(value) and not isinstance(value, type | keras.Layer | keras.Initializer | keras.metrics.Metric):
            yield value


def _is_known(part: Any) -> bool:
    """Whether a part is Keras's or kpt's; one that a name stands for is."""
    if part is None or isinstance(part, str):
        return True
    if isinstance(part, keras.layers.TorchModuleWrapper):
        return False
    if isinstance(part, partial):
        return _is_known(part.func)
    return _home(part) in ("keras", "kpt")


def _home(part: Any) -> str:
    """The package that a function was written in, whatever it says of itself, or the class of an object."""
    if isinstance(part, MethodType):
        part = part.__func__
    home = part.__globals__["__name__"] if isinstance(part, FunctionType) else type(part).__module__
    return str(home).split(".")[0]
