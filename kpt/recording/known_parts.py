"""Which models PyTorch's steps may be recorded of: those that are known in all their parts."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from functools import partial
from types import FunctionType, MethodType
from typing import Any

import keras

__all__ = ["have_hooks", "may_be_recorded", "settings_of"]

# What Keras makes of a model when `fit`, `evaluate` and `predict` are first called.
_MADE_OF_STEPS = ("train_function", "test_function", "predict_function")
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def may_be_recorded(model: Any) -> bool:
    """Return whether a training step of a compiled model does what Keras and kpt do, and nothing else.

    What others have written may keep count, print, or look at numbers; it is to be called each time.

    Args:
        model: A model of Keras's on PyTorch.
    """
    if model.run_eagerly or model.jit_compile or type(model).train_step is not keras.Model.train_step:
        return False
    return all(_is_known(part) and all(map(_is_known, _functions(part))) for part in _parts(model))


def settings_of(layers: Sequence[Any]) -> Hashable:
    """Return what layers do beside reading their weights, as far as it is often changed between two calls of `fit`.

    Args:
        layers: The layers.
    """
    return tuple((layer.dtype_policy.name, *map(id, _functions(layer))) for layer in layers)


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
        or any(getattr(module, f"_global{name}", None) for name in _HOOKS)
    )


def _parts(model: Any) -> Iterator[Any]:
    """What a step calls that a user may have written."""
    metrics, loss = model._compile_metrics, model._compile_loss
    yield from model._flatten_layers()
    yield from getattr(model, "objectives", ())
    yield from model.metrics
    yield from getattr(model, "task_losses", {}).values()
    yield from keras.tree.flatten(metrics and (metrics._user_metrics, metrics._user_weighted_metrics))
    yield from keras.tree.flatten(loss and loss._user_loss)


def _functions(part: Any) -> Iterator[Any]:
    """What a part calls that it was given: activations, regularizers, the function of a `Lambda`, other methods."""
    for name, value in list(vars(part).items()) if hasattr(part, "__dict__") else ():
        if name in _MADE_OF_STEPS:
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
