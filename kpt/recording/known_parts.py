"""Which models PyTorch's steps may be recorded of: those that are known in all their parts."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from types import FunctionType, MethodType
from typing import Any

import keras

__all__ = ["may_be_recorded", "settings_of"]

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
#: Methods that a step calls, which may be replaced in a single object.
_METHODS = ("call", "compute_loss", "compute_metrics", "train_step", "get_metrics_result", "_compute_loss")


def may_be_recorded(model: Any) -> bool:
    """Return whether a training step of a compiled model does what Keras and kpt do, and nothing else.

    What others have written may keep count, print, or look at numbers; it is to be called each time.

    Args:
        model: A model of Keras's on PyTorch.
    """
    if model.run_eagerly or model.jit_compile or type(model).train_step is not keras.Model.train_step:
        return False
    return all(_is_known(part) for part in _parts(model))


def settings_of(layers: Sequence[Any]) -> Hashable:
    """Return the settings of layers that are often changed between two calls of `fit`.

    Args:
        layers: The layers.
    """
    return tuple((layer.dtype_policy.name, getattr(layer, "rate", None)) for layer in layers)


def _parts(model: Any) -> Iterator[Any]:
    """What a step calls that a user may have written."""
    metrics, loss = model._compile_metrics, model._compile_loss
    yield from getattr(model, "objectives", ())
    yield from model.metrics
    yield from keras.tree.flatten(metrics and (metrics._user_metrics, metrics._user_weighted_metrics))
    yield from keras.tree.flatten(loss and loss._user_loss)
    for layer in model._flatten_layers():
        yield layer
        # Activations, regularizers, and the function of a `Lambda`.
        yield from (
            value
            for value in vars(layer).values()
            if isinstance(value, FunctionType | MethodType | keras.Regularizer | keras.constraints.Constraint)
        )


def _is_known(part: Any) -> bool:
    """Whether a part is Keras's or kpt's; one that a name stands for is."""
    if part is None or isinstance(part, str):
        return True
    if isinstance(part, keras.layers.TorchModuleWrapper):
        return False
    own = vars(part) if hasattr(part, "__dict__") else {}
    if any(name in own for name in _METHODS) or any(own.get(name) for name in _HOOKS):
        return False
    called = getattr(part, "_fn", getattr(part, "fn", part))  # the function in a wrapper
    return all(_home(each) in ("keras", "kpt") for each in (part, called))


def _home(part: Any) -> str:
    owner = part if isinstance(part, FunctionType | MethodType) else type(part)
    return str(owner.__module__).split(".")[0]
