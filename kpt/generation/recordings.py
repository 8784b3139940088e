"""Functions of a model on PyTorch, recorded once for each shape and then run without Keras."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from itertools import repeat
from typing import Any

import keras

__all__ = ["Recordings", "recorded", "while_loop"]

_USED: ContextVar[Recordings | None] = ContextVar("recordings", default=None)


class Recordings:
    """What `recorded` keeps of a model.

    Args:
        weights: the tensors of the model's variables. A recording holds these themselves: it sees values that are
            assigned to them, and none of other tensors.
    """

    def __init__(self, weights: Sequence[Any]) -> None:
        self.weights = list(weights)
        self.found: dict[Any, tuple[Callable[..., Any], Any] | None] = {}

    def are_of(self, weights: Sequence[Any]) -> bool:
        """Return whether these are the tensors of the model still."""
        return len(weights) == len(self.weights) and all(a is b for a, b in zip(weights, self.weights, strict=True))

    def used(self) -> AbstractContextManager[None]:
        """Return a context within which `recorded` records here."""
        return _used(self)


def recorded(
    function: Callable[..., Any], model: Any, arguments: tuple[Any, ...], constants: tuple[Any, ...] = ()
) -> Any:
    """Return `function(model, *arguments, *constants)`; where `Compiled` runs on PyTorch, by operations it recorded.

    PyTorch runs a model operation by operation, and for a small one Keras's layers take several times as long to find
    the next operation as the operation takes. So the operations of the second call of some shapes and constants are
    recorded, and that call and those after it do these alone.

    Args:
        function: a function at the top level of a module whose operations depend on the constants and on the shapes and
            dtypes of the arguments, never on their values. It may write into arguments if twice is the same as once.
        model: a Keras model.
        arguments: tensors, or tuples of tensors and tuples; and so is what the function returns.
        constants: hashable values.
    """
    recordings = _USED.get()
    if recordings is None:
        return function(model, *arguments, *constants)
    flat = list(_leaves(arguments))
    key = (function, constants, *((each.shape, each.dtype, each.device) for each in flat))
    with _used(None):  # what it calls is recorded with it
        if key not in recordings.found:
            recordings.found[key] = None  # this call may be the only one
            return function(model, *arguments, *constants)
        found = recordings.found[key]
        if found is None:
            found = recordings.found[key] = _record(function, model, arguments, constants)
    operations, structure = found
    return _like(structure, iter(operations(*flat)))


def while_loop(goes_on: Callable[..., Any], step: Callable[..., Any], state: tuple[Any, ...]) -> Any:
    """Return what `keras.ops.while_loop` does; where `Compiled` runs on PyTorch, without its checks of the state.

    Args:
        goes_on: a function of the parts of the state to a boolean.
        step: a function of the parts of the state to those of the next one.
        state: a nest of tensors.
    """
    if _USED.get() is None:
        return keras.ops.while_loop(goes_on, step, state)
    while goes_on(*state):
        state = step(*state)
    return state


def _record(
    function: Callable[..., Any], model: Any, arguments: tuple[Any, ...], constants: tuple[Any, ...]
) -> tuple[Callable[..., Any], Any]:
    """The operations of a call, from the flat arguments to flat results, and the results' structure."""
    from torch.fx.experimental.proxy_tensor import make_fx

    structure = None

    def flat_function(*flat: Any) -> list[Any]:
        nonlocal structure
        structure = function(model, *_like(arguments, iter(flat)), *constants)
        return list(_leaves(structure))

    operations = make_fx(flat_function)(*_leaves(arguments))
    return operations, _like(structure, repeat(None))


def _leaves(nest: Any) -> Iterator[Any]:
    """What is in tuples of tuples. `keras.tree` takes longer for this than PyTorch for the tensors of a small model."""
    if not isinstance(nest, tuple):
        yield nest
        return
    for part in nest:
        yield from _leaves(part)


def _like(nest: Any, leaves: Iterator[Any]) -> Any:
    """Leaves in tuples like those of a nest."""
    if not isinstance(nest, tuple):
        return next(leaves)
    parts = [_like(part, leaves) for part in nest]
    return nest._make(parts) if hasattr(nest, "_make") else tuple(parts)


@contextmanager
def _used(recordings: Recordings | None) -> Iterator[None]:
    token = _USED.set(recordings)
    try:
        yield
    finally:
        _USED.reset(token)
