"""Functions of a model on PyTorch, recorded once for each shape and then run without Keras."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from itertools import repeat
from threading import Lock
from typing import Any
from weakref import ref

import keras

from kpt.recording import record

__all__ = ["Recordings", "recorded", "while_loop"]

_USED: ContextVar[Recordings | None] = ContextVar("recordings", default=None)
_LOCK = Lock()
#: Recordings that are kept of a function of a model, each of up to a megabyte; and after how many calls of the function
#: one that is not used gives way. Where more shapes than that take turns, they would else drive each other out before
#: any is used.
_KEPT, _UNUSED = 64, 1_000


class _Kept:
    """The recordings of one function, that which was used last standing last."""

    def __init__(self) -> None:
        #: Recordings, or None for what cannot be recorded; what their results are like; and when they were last used.
        self.found: dict[Any, tuple[Callable[..., Any] | None, Any, int]] = {}
        self.called: dict[Any, None] = {}  # once
        self.calls = 0

    def look_up(self, key: Any) -> tuple[Callable[..., Any] | None, Any] | None:
        """Return a recording, and what its results are like."""
        with _LOCK:
            self.calls += 1
            found = self.found.pop(key, None)
            if found is None:
                return None
            self.found[key] = (*found[:2], self.calls)
            return found[0], found[1]

    def is_to_be_recorded(self, key: Any) -> bool:
        """Return whether something was called before, and there is room for it."""
        with _LOCK:
            if key not in self.called:  # the first call may be the only one
                self.called[key] = None
                if len(self.called) > 16 * _KEPT:
                    self.called.pop(next(iter(self.called)))
                return False
            return len(self.found) < _KEPT or next(iter(self.found.values()))[-1] + _UNUSED < self.calls

    def keep(self, key: Any, recording: Callable[..., Any] | None, structure: Any) -> None:
        """Keep a recording, or that there can be none, in the place of the one that was not used for longest."""
        with _LOCK:
            self.called.pop(key, None)
            while len(self.found) >= _KEPT:
                self.found.pop(next(iter(self.found)))
            self.found[key] = (recording, structure, self.calls)


class Recordings:
    """What `recorded` keeps of a model.

    Args:
        weights: the tensors of the model's variables. A recording holds these themselves: it sees values that are
            assigned to them, and none of other tensors.
        state: what else it depends on.
    """

    def __init__(self, weights: Sequence[Any] = (), state: Any = None) -> None:
        self._weights, self._state = [ref(weight) for weight in weights], state
        self.of: dict[Callable[..., Any], _Kept] = defaultdict(_Kept)

    def are_of(self, weights: Sequence[Any], state: Any = None) -> bool:
        """Return whether these are the tensors of the model still, and the state the same."""
        if len(weights) != len(self._weights) or state != self._state:
            return False
        return all(known() is weight for known, weight in zip(self._weights, weights, strict=True))

    def weights(self) -> list[Any]:
        """Return the tensors of the model's variables, those that there are still."""
        return [weight for known in self._weights if (weight := known()) is not None]

    def used(self) -> AbstractContextManager[None]:
        """Return a context within which `recorded` records here."""
        return _used(self)


def recorded(
    function: Callable[..., Any], model: Any, arguments: tuple[Any, ...], constants: tuple[Any, ...] = ()
) -> Any:
    """Return `function(model, *arguments, *constants)`; where `Compiled` runs on PyTorch, by operations it recorded.

    PyTorch runs a model operation by operation, and for a small one Keras's layers take several times as long to find
    the next operation as the operation takes. So the operations of the second call of some shapes and constants are
    recorded, and the calls after it do these alone. What asks for a value (`float(x)`) or for results whose shapes
    depend on values (`nonzero`) is called as it is (`kpt.recording.record`); so is all under `torch.autocast`.

    Args:
        function: a function at the top level of a module whose operations depend on the constants and on the shapes and
            dtypes of the arguments. It may write into arguments.
        model: a Keras model.
        arguments: tensors, or tuples of tensors and tuples; and so is what the function returns.
        constants: hashable values.
    """
    recordings = _USED.get()
    flat = list(_leaves(arguments))
    if recordings is None or _casts_itself(flat[0].device.type):
        return function(model, *arguments, *constants)
    key = (constants, *((each.shape, each.stride(), each.dtype, each.device) for each in flat))
    kept = recordings.of[function]
    found = kept.look_up(key)
    if found is not None and (operations := found[0]) is not None:
        return _like(found[1], iter(operations(*flat)))
    with _used(None):  # what it calls is recorded with it
        if found is not None or not kept.is_to_be_recorded(key):
            return function(model, *arguments, *constants)
        structure = None

        def call(*given: Any) -> list[Any]:
            nonlocal structure
            results = function(model, *_like(arguments, iter(given)), *constants)
            structure = _like(results, repeat(None))
            return list(_leaves(results))

        results, recording = record(call, flat, recordings.weights())
    kept.keep(key, recording, structure)
    return _like(structure, iter(results))


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


def _casts_itself(device: str) -> bool:
    import torch

    return torch.is_autocast_enabled(device)


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
