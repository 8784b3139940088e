"""Which models PyTorch's steps may be recorded of: those that are known in all their parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from types import FunctionType, MethodType
from typing import Any

import keras
import numpy as np

__all__ = ["Settings", "have_hooks", "may_be_recorded", "parts_of", "same_objects"]

# What is no setting: what `fit`, `evaluate`, `predict` and `generate` keep in a model, and notes of what goes on.
_NO_SETTINGS = {"train_function", "test_function", "predict_function", "_kpt_compiled"}
_NO_SETTINGS |= {"stop_training", "stop_evaluating", "stop_predicting", "training"}
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
    if model.optimizer is None or not _is_known(model.optimizer.scale_loss):
        return False
    return all(_is_known(part) and all(map(_is_known, _functions(part))) for part in parts_of(model))


def parts_of(model: Any) -> Iterator[Any]:
    """Yield what the forward and the backward pass of a compiled model call that a user may have written.

    Args:
        model: A compiled model.
    """
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


class Settings:
    """A snapshot of what layers are told beside their weights: dtype policies, functions, numbers, tensors they hold.

    Equal to another of the same functions and tensors, in which nothing was written between the two, and of equal
    numbers. All are kept, so that no other can come to stand for them. Numbers in lists, those of private attributes
    and those of losses and metrics are not looked at.

    Args:
        parts: Layers, losses, metrics and so on.
    """

    def __init__(self, parts: Iterable[Any]) -> None:
        self._objects = [each for part in parts for each in (part, *_settings(part))]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Settings) or len(self._objects) != len(other._objects):
            return False
        both = zip(self._objects, other._objects, strict=True)
        return all(a is b or (type(a) is type(b) and _is_number(a) and a == b) for a, b in both)


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


def _settings(part: Any) -> Iterator[Any]:
    """Names and values of what a layer was told, and of tensors that are not variables."""
    import torch

    if not isinstance(part, keras.Layer):
        return
    yield part.dtype_policy
    for name, value in list(vars(part).items()):
        if name in _NO_SETTINGS or value is None or value is False:  # what comes later as one of these changes nothing
            continue
        if isinstance(value, torch.Tensor):
            yield from (name, value) if value.is_inference() else (name, value, value._version)
        elif callable(value) or (name[0] != "_" and _is_number(value)):
            yield from (name, value)


def _is_number(value: Any) -> bool:
    return type(value) in (bool, int, float, str) or isinstance(value, np.generic)


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
