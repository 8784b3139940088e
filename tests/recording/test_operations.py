from __future__ import annotations

import gc
import weakref
from copy import deepcopy
from typing import Any, ClassVar

import keras
import numpy as np
import pytest

from kpt.recording import record

pytestmark = pytest.mark.skipif(keras.backend.backend() != "torch", reason="PyTorch's")


def tensor(*values: float) -> Any:
    import torch

    return torch.tensor(values, dtype=torch.float32)


def test_operations_are_done_again_on_other_numbers() -> None:
    results, recording = record(lambda x, y: [x * y + 1, (x - y).sum()], [tensor(1, 2), tensor(3, 4)])
    assert [result.tolist() for result in results] == [[4, 9], -4]
    assert recording is not None
    assert [result.tolist() for result in recording(tensor(5, 6), tensor(7, 8))] == [[36, 49], -4]


def test_gradients_are_among_the_operations() -> None:
    import torch

    weight = torch.nn.Parameter(tensor(2, 3))

    def slope(x: Any) -> Any:
        return torch.autograd.grad((torch.softmax(weight * x, -1)[0] * x.exp().sum()), [weight])

    _, recording = record(slope, [tensor(0.1, 0.2)])
    assert recording is not None
    with torch.no_grad():
        weight.copy_(tensor(-1, 4))
        found = recording(tensor(0.3, -0.7))
    np.testing.assert_array_equal(found[0], slope(tensor(0.3, -0.7))[0])
    assert weight.grad is None


def test_constants_that_are_written_into_are_new_in_each_call() -> None:
    import torch

    read, written, viewed, returned = (tensor(1, 1) for _ in range(4))

    def step(x: Any) -> Any:
        total = torch.where(x > 0, x + read, read)
        return [total, (x + written) * written.add_(1), viewed.view(2).mul_(3) + viewed, returned]

    _, recording = record(step, [tensor(1, -1)])
    assert recording is not None
    for _ in range(2):
        found = [result.tolist() for result in recording(tensor(2, -2))]
        assert found == [[3, 1], [3 * 2, -1 * 2], [6, 6], [1, 1]]
        recording(tensor(0, 0))[3].add_(5)


def test_copies_that_a_function_makes_itself_are_made_again() -> None:
    import torch

    weight, named = torch.nn.Parameter(tensor(0, 0), requires_grad=False), tensor(0, 0)
    wide = torch.arange(6.0).reshape(2, 3).t()

    def step(x: Any) -> Any:
        before, of_named = weight.clone(), named.clone()
        weight.add_(x)
        named.add_(x)
        return [before * 10, of_named * 10, torch.relu(wide.contiguous()).view(-1)]

    _, recording = record(step, [tensor(1, 1)], [named])
    assert recording is not None
    found = recording(tensor(1, 1))
    assert [result.tolist() for result in found] == [[10, 10], [10, 10], [0, 3, 1, 4, 2, 5]]


def test_constants_that_are_only_read_are_not_copied() -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    constant, given = tensor(1, 2), tensor(3, 3)
    _, recording = record(lambda x: [x + constant], [tensor(1, 1)])

    class Told(TorchDispatchMode):
        names: ClassVar[list[str]] = []

        def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.names.append(str(operation))
            return operation(*args, **(kwargs or {}))

    assert recording is not None
    with Told():
        found = recording(given)[0]
    assert found.tolist() == [4, 5]
    assert Told.names == ["aten.add.Tensor"]


def test_parameters_and_named_tensors_are_changed_themselves() -> None:
    import torch

    counted, named, made = torch.nn.Parameter(tensor(0), requires_grad=False), tensor(0), tensor(0)

    def step(x: Any) -> Any:
        return [counted.add_(x).clone(), named.add_(x).clone(), made + x]

    _, recording = record(step, [tensor(1)], [named])
    assert recording is not None
    made.add_(100)
    assert [float(result) for result in recording(tensor(2))] == [3, 3, 2]
    assert float(counted) == float(named) == 3


def of_list(tensors: list[Any]) -> Any:
    import torch

    return torch.as_tensor(tensors)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: [x * float(x.max())],
        lambda x: [x / len(x.nonzero())],
        lambda x: [x * 2 if x.sum() > 0 else x],
        lambda x: [x * int(x.numpy()[0])],
        lambda x: [x * np.asarray(x).max()],
        lambda x: [x * x.tolist()[0]],
        lambda x: [x, 3.0],
        lambda x: [of_list(list(x)) * 2],
        lambda x: [deepcopy(x.detach())],
    ],
    ids=["float", "nonzero", "bool", "numpy", "array", "tolist", "number", "list", "deepcopy"],
)
def test_what_depends_on_values_is_not_recorded(function: Any) -> None:
    results, recording = record(function, [tensor(1, 2)])
    assert recording is None
    assert results[0].tolist() == function(tensor(1, 2))[0].tolist()


def test_random_numbers_are_drawn_anew_and_those_of_own_generators_refused() -> None:
    import torch

    _, recording = record(lambda x: [torch.rand_like(x)], [tensor(0, 0)])
    assert recording is not None
    torch.manual_seed(3)
    wanted = [torch.rand(2).tolist() for _ in range(2)]
    torch.manual_seed(3)
    assert [recording(tensor(0, 0))[0].tolist() for _ in range(2)] == wanted
    own = torch.Generator()
    assert record(lambda x: [x + torch.rand(2, generator=own)], [tensor(0, 0)])[1] is None
    assert record(lambda x: [torch.binomial(x + 3, x + 0.5, own)], [tensor(0, 0)])[1] is None


def test_random_numbers_that_nothing_takes_are_drawn_for_those_after_them() -> None:
    import torch

    def second(x: Any) -> list[Any]:
        torch.rand(2)
        return [torch.rand_like(x)]

    _, recording = record(second, [tensor(0, 0)])
    assert recording is not None
    torch.manual_seed(3)
    wanted = second(tensor(0, 0))[0].tolist()
    torch.manual_seed(3)
    assert recording(tensor(0, 0))[0].tolist() == wanted


def test_what_is_let_go_of_is_let_go_of_while_it_is_recorded() -> None:
    between: list[Any] = []

    def steps(x: Any) -> Any:
        for _ in range(5):
            x = x + 1
            between.append(weakref.ref(x))
        gc.collect()
        assert [each() is not None for each in between] == [False] * 4 + [True]
        return [x]

    assert record(steps, [tensor(1)])[1] is not None
