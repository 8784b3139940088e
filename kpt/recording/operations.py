"""The operations of a function on PyTorch, recorded while it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from types import SimpleNamespace
from typing import Any

__all__ = ["Recording", "record"]

#: From flat arguments to flat results.
Recording = Callable[..., Sequence[Any]]

#: Operations of a recording at most; of long unrolled loops it would take more memory than it is worth.
OPERATIONS = 20_000

# What hands a tensor's numbers to other code than PyTorch's.
_READERS = ("numpy", "tolist", "data_ptr", "untyped_storage", "__array__", "__dlpack__")
# What makes a tensor of the numbers of several.
_MAKERS = ("tensor", "as_tensor")


def record(
    function: Callable[..., Sequence[Any]], arguments: Sequence[Any], weights: Sequence[Any] = ()
) -> tuple[Sequence[Any], Recording | None]:
    """Return the results of a call, and its operations.

    The operations are those below automatic differentiation: what `function` does for gradients is among them, and of
    the results nothing can be differentiated.

    `torch.fx` has tracers for this, but these change PyTorch for all threads while they trace.

    Args:
        function: From tensors to tensors.
        arguments: Tensors.
        weights: Tensors that are the same ones in each call, beside parameters, which always are: the operations read
            and change these themselves. All other tensors that are no arguments are constants with the values they have
            now.

    Returns:
        What the function returned; and a function from arguments of the same shapes, strides and dtypes to results, or
        None if the operations may be others the next time: because the function asked for a value (`float(x)`,
        `x.numpy()`, a tensor of a list of tensors), has results whose shapes depend on values (`nonzero`) or random
        numbers of a generator of its own; or if there are more than `OPERATIONS`.
    """
    import torch
    from torch.fx import Graph, Node
    from torch.overrides import TorchFunctionMode
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves
    from torch.utils.weak import WeakTensorKeyDictionary

    aten = torch.ops.aten
    graph = Graph()
    nodes = WeakTensorKeyDictionary()  # so that what an ordinary call lets go of is let go of
    known = {id(weight) for weight in weights}
    held: dict[str, Any] = {}  # tensors that are no arguments
    copies: list[Node] = []  # of those that are constants
    refused = False

    def node_of(tensor: Any) -> Node:
        node = nodes.get(tensor)
        if node is None:
            name, stays = f"tensor_{len(held)}", isinstance(tensor, torch.nn.Parameter) or id(tensor) in known
            held[name] = tensor if stays else tensor.clone()
            node = graph.get_attr(name)
            if not stays:  # what a function makes for itself it may write into, and has it new in each call
                node = graph.call_function(aten.clone.default, (node,))
                copies.append(node)
            nodes[tensor] = node
        return node

    def noted(given: Any) -> Any:
        if isinstance(given, torch.Tensor):
            return node_of(given)
        return type(given)(map(noted, given)) if type(given) in (tuple, list) else given

    class Operations(TorchDispatchMode):
        def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal refused
            kwargs = kwargs or {}
            odd = any(isinstance(given, torch.Generator | torch.UntypedStorage) for given in (*args, *kwargs.values()))
            refused = refused or odd or _asks(operation) or len(graph.nodes) > OPERATIONS
            if refused:
                return operation(*args, **kwargs)
            given_nodes = noted(tuple(args))
            named_nodes = {name: noted(given) for name, given in kwargs.items()}
            outputs = operation(*args, **kwargs)
            if args and not _changes(operation) and (outputs is args[0] or operation is aten.detach.default):
                nodes[outputs] = given_nodes[0]  # such as a conversion to what it is already
                return outputs
            # With a name of its own, or the graph makes one of the operation's and looks for a number that is free.
            node = graph.create_node("call_function", operation, given_nodes, named_nodes, f"made_{len(graph.nodes)}")
            if isinstance(outputs, torch.Tensor):
                nodes[outputs] = node
            elif isinstance(outputs, list | tuple):
                for place, output in enumerate(outputs):
                    if isinstance(output, torch.Tensor):
                        nodes[output] = graph.call_function(_part, (node, place))
                    elif any(isinstance(leaf, torch.Tensor) for leaf in tree_leaves(output)):
                        refused = True
            elif outputs is not None or not _changes(operation):
                refused = True
            return outputs

    class Readings(TorchFunctionMode):
        def __torch_function__(self, reader: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal refused
            name = getattr(reader, "__name__", None)
            refused = refused or name in _READERS or (name in _MAKERS and bool(args) and _has_tensors(args[0]))
            return reader(*args, **(kwargs or {}))

    given = [argument.view_as(argument) for argument in arguments]  # one that comes twice is two
    for place, argument in enumerate(given):
        nodes[argument] = graph.placeholder(f"argument_{place}")
    with Readings(), Operations():
        results = function(*given)
    if refused or not all(isinstance(result, torch.Tensor) for result in results):
        return results, None
    graph.output([node_of(result) for result in results])
    _without_copies(copies)
    graph.eliminate_dead_code(_stays)
    return results, _function(graph, held)


def _without_copies(copies: Sequence[Any]) -> None:
    """Have constants read as they are where nothing can write into them."""
    for copy in copies:
        if all(_makes_anew(user.target) for user in copy.users):
            copy.replace_all_uses_with(copy.args[0])


def _function(graph: Any, held: dict[str, Any]) -> Recording:
    """The function that does a graph's operations. That of a `torch.fx.GraphModule` would never be let go of."""
    code = graph.python_code("self")
    names = dict(code.globals)
    exec(compile(code.src, "<recording>", "exec"), names)
    return partial(names["forward"], SimpleNamespace(**held))


def _stays(node: Any) -> bool:
    """Whether a node is needed where nothing takes its result; random numbers are, for those that come after them."""
    if node.op != "call_function":
        return node.op in ("placeholder", "output")
    return _changes(node.target) or _draws(node.target)


def _part(parts: Any, place: int) -> Any:
    return parts[place]


@lru_cache(4096)
def _asks(operation: Any) -> bool:
    """Whether an operation tells a value, or has results whose shapes depend on values."""
    from torch import Tag

    return bool({Tag.data_dependent_output, Tag.dynamic_output_shape} & set(operation.tags))


@lru_cache(4096)
def _draws(operation: Any) -> bool:
    """Whether an operation takes random numbers from the generator that all share."""
    from torch import Tag

    return Tag.nondeterministic_seeded in getattr(operation, "tags", ())


def _has_tensors(given: Any) -> bool:
    """Whether there are tensors in a list, or in lists of lists."""
    import torch

    inside = given if isinstance(given, list | tuple) else ()
    return any(isinstance(each, torch.Tensor) or _has_tensors(each) for each in inside)


def _makes_anew(operation: Any) -> bool:
    """Whether an operation reads numbers and makes others of them, one by one, in memory of their own."""
    from torch import Tag

    schema = getattr(operation, "_schema", None)
    if schema is None or schema.is_mutable or any(result.alias_info for result in schema.returns):
        return False
    return Tag.pointwise in operation.tags


@lru_cache(4096)
def _changes(operation: Any) -> bool:
    """Whether an operation writes into one of its arguments."""
    schema = getattr(operation, "_schema", None)
    return schema is not None and schema.is_mutable
