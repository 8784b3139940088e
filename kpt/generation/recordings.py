"""Functions of a model on PyTorch, recorded once for each shape and then run without Keras."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from itertools import repeat
from typing import Any
from weakref import ref

import keras

__all__ = ["Recordings", "recorded", "while_loop"]

_USED: ContextVar[Recordings | None] = ContextVar("recordings", default=None)
#: Recordings that are kept of a model, the newest; each takes about a megabyte.
_KEPT = 64


class Recordings:
    """What `recorded` keeps of a model.

    Args:
        weights: the tensors of the model's variables. A recording holds these themselves: it sees values that are
            assigned to them, and none of other tensors.
        state: what else it depends on.
    """

    def __init__(self, weights: Sequence[Any] = (), state: Hashable = None) -> None:
        self._weights, self._state = [ref(weight) for weight in weights], state
        #: None for a function that was called once, False for one that cannot be recorded.
        self.found: dict[Any, tuple[Callable[..., Any], Any] | bool | None] = {}

    def are_of(self, weights: Sequence[Any], state: Hashable = None) -> bool:
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

    def keep(self, key: Any, found: Any) -> None:
        """Keep a recording, and forget the oldest of too many."""
        self.found[key] = found
        while len(self.found) > _KEPT:
            self.found.pop(next(iter(self.found)))


def recorded(
    function: Callable[..., Any], model: Any, arguments: tuple[Any, ...], constants: tuple[Any, ...] = ()
) -> Any:
    """Return `function(model, *arguments, *constants)`; where `Compiled` runs on PyTorch, by operations it recorded.

    PyTorch runs a model operation by operation, and for a small one Keras's layers take several times as long to find
    the next operation as the operation takes. So the operations of the second call of some shapes and constants are
    recorded, and the calls after it do these alone. What asks for a value (`float(x)`) or for results whose shapes
    depend on values (`nonzero`) is called as it is; so is all under `torch.autocast`.

    Args:
        function: a function at the top level of a module whose operations depend on the constants and on the shapes and
            dtypes of the arguments, never on their values, which it must not read as arrays or lists either. It may
            write into arguments.
        model: a Keras model.
        arguments: tensors, or tuples of tensors and tuples; and so is what the function returns.
        constants: hashable values.
    """
    recordings = _USED.get()
    flat = list(_leaves(arguments))
    if recordings is None or _casts_itself(flat[0].device.type):
        return function(model, *arguments, *constants)
    key = (function, constants, *((each.shape, each.stride(), each.dtype, each.device) for each in flat))
    found = recordings.found.get(key)
    if isinstance(found, tuple):
        operations, structure = found
        return _like(structure, iter(operations(*flat)))
    with _used(None):  # what it calls is recorded with it
        if key not in recordings.found or found is False:  # the first call may be the only one
            recordings.found.setdefault(key, None)
            return function(model, *arguments, *constants)
        weights = recordings.weights()
        results, found = _record(lambda *given: function(model, *given, *constants), arguments, weights)
    recordings.keep(key, found)
    return results


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


def _record(function: Callable[..., Any], arguments: tuple[Any, ...], weights: Sequence[Any]) -> tuple[Any, Any]:
    """The results of a call, and its operations from flat arguments to flat results with the results' structure.

    The latter is False for what cannot be recorded.

    `torch.fx` has tracers for this, but these change PyTorch for all threads while they trace.
    """
    import torch
    from torch.fx import Graph, GraphModule, Node
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves, tree_map_only

    aten = torch.ops.aten
    graph = Graph()
    nodes: dict[int, Node] = {}
    known = {id(weight) for weight in weights}
    held: dict[str, Any] = {}  # tensors that are no arguments: weights, and constants of the function
    alive: list[Any] = []  # so that no id comes twice
    refused = False

    def node_of(tensor: Any) -> Node:
        if id(tensor) not in nodes:
            name, is_weight = f"tensor_{len(held)}", id(tensor) in known
            held[name] = tensor if is_weight else tensor.clone()
            node = graph.get_attr(name)
            # What a function makes for itself it may write into, and has it new in each call.
            give(tensor, node if is_weight else graph.call_function(aten.clone.default, (node,)))
        return nodes[id(tensor)]

    def give(tensor: Any, node: Node) -> None:
        alive.append(tensor)
        nodes[id(tensor)] = node

    class Recorder(TorchDispatchMode):
        def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal refused
            kwargs = kwargs or {}
            refused = refused or _asks(operation) or any(isinstance(x, torch.Generator) for x in kwargs.values())
            if refused:
                return operation(*args, **kwargs)
            given_nodes, named_nodes = tree_map_only(torch.Tensor, node_of, (tuple(args), kwargs))
            outputs = operation(*args, **kwargs)
            if args and not _changes(operation) and (outputs is args[0] or operation is aten.detach.default):
                give(outputs, given_nodes[0])  # such as a conversion to what it is already
                return outputs
            node = graph.call_function(operation, given_nodes, named_nodes)
            if isinstance(outputs, torch.Tensor):
                give(outputs, node)
            elif isinstance(outputs, list | tuple):
                for place, output in enumerate(outputs):
                    if isinstance(output, torch.Tensor):
                        give(output, graph.call_function(_part, (node, place)))
                    elif any(isinstance(leaf, torch.Tensor) for leaf in tree_leaves(output)):
                        refused = True
            else:
                refused = True
            return outputs

    given = [leaf.view_as(leaf) for leaf in _leaves(arguments)]  # one that comes twice is two
    for place, leaf in enumerate(given):
        give(leaf, graph.placeholder(f"argument_{place}"))
    with Recorder():
        results = function(*_like(arguments, iter(given)))
    if refused:
        return results, False
    graph.output([node_of(leaf) for leaf in _leaves(results)])
    graph.eliminate_dead_code(lambda node: node.op in ("placeholder", "output") or _changes(node.target))
    return results, (GraphModule(held, graph), _like(results, repeat(None)))


def _part(parts: Any, place: int) -> Any:
    return parts[place]


def _asks(operation: Any) -> bool:
    """Whether an operation tells a value, or has results whose shapes depend on values."""
    from torch import Tag

    return bool({Tag.data_dependent_output, Tag.dynamic_output_shape} & set(operation.tags))


def _changes(operation: Any) -> bool:
    """Whether an operation writes into one of its arguments."""
    schema = getattr(operation, "_schema", None)
    return schema is not None and schema.is_mutable


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
