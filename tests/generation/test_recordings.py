from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
from keras import ops

from kpt.generation import generate, recordings
from kpt.generation.compiled import Compiled, compiled
from kpt.generation.recordings import recorded, while_loop
from tests.generation.small_model import decoder

CALLS: list[Any] = []
ON_TORCH = keras.backend.backend() == "torch"


def model(weight: float = 1.0) -> keras.Model:
    kernel = keras.initializers.Constant(weight)
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False, kernel_initializer=kernel)])


class Found(NamedTuple):
    sum: Any
    pair: tuple[Any, Any]


def scaled(dense: Any, pair: tuple[Any, Any], factor: int) -> Found:
    CALLS.append((factor, tuple(pair[0].shape)))
    return Found(dense(pair[0] + pair[1]) * factor, pair)


def outer(dense: Any, x: Any) -> Any:
    return recorded(scaled, dense, ((x, x),), (2,)).sum


def run(dense: Any, x: Any, factor: int) -> Any:
    return recorded(scaled, dense, ((x, x * 2),), (factor,))


def within(dense: Any, x: Any) -> Any:
    return recorded(outer, dense, (x,))


def valued(dense: Any, x: Any) -> Any:
    CALLS.append(x)
    return dense(x) if float(ops.max(x)) < 5 else dense(x) * 0


def asking(dense: Any, x: Any) -> Any:
    return recorded(valued, dense, (x,))


def counted(_: Any, x: Any, __: Any) -> Any:
    return x / len(x.nonzero())


def accumulated(_: Any, x: Any, __: Any) -> Any:
    total = ops.convert_to_tensor(np.zeros(tuple(x.shape), "float32"))
    total += x
    return total * 1


def turned(_: Any, x: Any, __: Any) -> Any:
    return x.contiguous().view(-1)


def traced(dense: Any, x: Any, step: Any, function: Any) -> Any:
    return recorded(function, dense, (x, step))


def mixed(dense: Any, pair: Any) -> Any:
    return pair[0] + 10 * pair[1]


def twice(dense: Any, x: Any, y: Any) -> Any:
    return recorded(mixed, dense, ((x, y),))


def values(*rows: list[float]) -> Any:
    return ops.convert_to_tensor(np.array(rows, np.float32))


@pytest.fixture(autouse=True)
def no_calls() -> None:
    CALLS.clear()


def test_without_compiled_nothing_is_recorded() -> None:
    dense = model()
    for _ in range(4):
        assert ops.convert_to_numpy(run(dense, values([1, 2]), 2).sum).tolist() == [[18.0]]
    assert len(CALLS) == 4


@pytest.mark.skipif(not ON_TORCH, reason="other backends compile")
class TestOnTorch:
    def test_from_the_third_call_on_keras_is_not_asked(self) -> None:
        call = Compiled(model())
        for row in ([1, 2], [3, 4], [5, 6], [7, 8]):
            found = call(run, (values(row),), (2,))
            assert ops.convert_to_numpy(found.sum).tolist() == [[6.0 * sum(row)]]
            assert ops.convert_to_numpy(found.pair[1]).tolist() == [[2 * value for value in row]]
        assert CALLS == [(2, (1, 2))] * 2

    def test_other_shapes_and_constants_are_recorded_for_themselves(self) -> None:
        call = Compiled(model())
        for _ in range(4):
            assert ops.convert_to_numpy(call(run, (values([1, 1]),), (2,)).sum).tolist() == [[12.0]]
            assert ops.convert_to_numpy(call(run, (values([1, 1]),), (3,)).sum).tolist() == [[18.0]]
            assert ops.convert_to_numpy(call(run, (values([1, 1], [0, 1]),), (2,)).sum).tolist() == [[12.0], [6.0]]
        assert sorted(CALLS) == [(2, (1, 2))] * 2 + [(2, (2, 2))] * 2 + [(3, (1, 2))] * 2

    def test_weights_that_are_assigned_are_seen(self) -> None:
        dense = model()
        call = Compiled(dense)
        for weight in (1.0, 2.0, 3.0, 4.0):
            dense.set_weights([np.full((2, 1), weight)])
            assert ops.convert_to_numpy(call(run, (values([1, 1]),), (1,)).sum).tolist() == [[6.0 * weight]]
        assert len(CALLS) == 2

    def test_other_weights_are_recorded_anew(self) -> None:
        dense = model()
        call = Compiled(dense)
        for _ in range(3):
            call(run, (values([1, 1]),), (1,))
        dense.layers[0].enable_lora(1)
        dense.layers[0].lora_kernel_b.assign(np.ones((1, 1)))
        kernel = ops.convert_to_numpy(dense.layers[0].kernel)
        assert ops.convert_to_numpy(call(run, (values([1, 1]),), (1,)).sum) == pytest.approx(3 * kernel.sum())
        assert kernel.sum() != 2

    def test_what_a_layer_is_told_is_seen(self) -> None:
        dense = model()

        def found() -> Any:
            return ops.convert_to_numpy(compiled(dense)(run, (values([1, 1]),), (1,)).sum)

        for _ in range(3):
            assert found() == 6.0
        dense.layers[0].activation = ops.square
        assert found() == 36.0
        dense.layers[0].enable_lora(1, lora_alpha=1)
        dense.layers[0].lora_kernel_a.assign(np.ones((2, 1)))
        dense.layers[0].lora_kernel_b.assign(np.ones((1, 1)))
        for alpha in (1, 1, 1, 4):
            dense.layers[0].lora_alpha = alpha
            assert found() == pytest.approx((6.0 * (1 + alpha)) ** 2)

    def test_hooks_are_called_each_time(self) -> None:
        dense, calls = model(), []
        call = Compiled(dense)
        for number in range(5):
            handle = dense.layers[0].register_forward_hook(lambda *_: calls.append(1) and None)
            call(run, (values([1, 1]),), (1,))
            handle.remove()
            assert len(calls) == number + 1

    def test_a_function_in_another_is_recorded_with_it(self) -> None:
        call = Compiled(model())
        for row in ([1, 2], [3, 4], [5, 6]):
            assert ops.convert_to_numpy(call(within, (values(row),))).tolist() == [[4.0 * sum(row)]]
        assert len(CALLS) == 2

    def test_what_asks_for_a_value_is_not_recorded(self) -> None:
        call = Compiled(model())
        for row, wanted in (([1, 2], 3), ([3, 4], 7), ([1, 9], 0), ([2, 2], 4)):
            assert ops.convert_to_numpy(call(asking, (values(row),))).tolist() == [[wanted]]
        assert len(CALLS) == 4

    @pytest.mark.parametrize("function", [counted, accumulated, turned])
    def test_values_constants_and_strides_are_not_frozen(self, function: Any) -> None:
        call = Compiled(model())
        for step in range(5):
            x = values([0, 1, 2], [step % 2, 0, 4])
            x = ops.transpose(x) if step > 3 else x
            given = ops.copy(x)
            found, wanted = call(traced, (x, ops.convert_to_tensor(step)), (function,)), function(None, given, None)
            np.testing.assert_array_equal(ops.convert_to_numpy(found), ops.convert_to_numpy(wanted))
            np.testing.assert_array_equal(ops.convert_to_numpy(x), ops.convert_to_numpy(given))

    def test_an_argument_may_be_given_twice(self) -> None:
        call, one, two = Compiled(model()), values([1]), values([2])
        for _ in range(3):
            assert float(call(twice, (one, one))[0, 0]) == 11
        assert float(call(twice, (one, two))[0, 0]) == 21

    def test_under_autocast_nothing_is_recorded(self) -> None:
        import torch

        dense = model(0.1)
        call, exact = Compiled(dense), dense(values([3, 6]))
        for _ in range(3):
            with torch.autocast("cpu", torch.bfloat16):
                assert float(call(run, (values([1, 2]),), (1,)).sum[0, 0]) != float(exact[0, 0])
        assert len(CALLS) == 3
        for _ in range(3):
            assert float(call(run, (values([1, 2]),), (1,)).sum[0, 0]) == float(exact[0, 0])

    def test_more_than_are_kept_do_not_drive_each_other_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(recordings, "_KEPT", 2)
        monkeypatch.setattr(recordings, "_UNUSED", 20)
        call = Compiled(model())

        def called(factors: Iterable[int]) -> list[Any]:
            CALLS.clear()
            for factor in factors:
                call(run, (values([1, 2]),), (factor,))
            return [factor for factor, _ in CALLS]

        called([1, 2, 3] * 3)
        assert called([1, 2, 3]) == [3]
        called([1] * 30)
        called([3] * 3)  # in place of 2, which was not used for so long
        assert called([3, 2, 1]) == [2]
        found = call._recordings.of[scaled]
        called(range(10, 100))
        assert len(found.called) <= 32 and len(found.found) == 2

    def test_one_function_does_not_drive_out_another(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(recordings, "_KEPT", 1)
        monkeypatch.setattr(recordings, "_UNUSED", 0)
        call, one = Compiled(model()), values([1, 2])
        for _ in range(3):
            call(run, (one,), (1,))
        CALLS.clear()
        for _ in range(30):
            call(within, (one,))
        call(run, (one,), (1,))
        assert (1, (1, 2)) not in CALLS

    def test_the_weights_of_before_are_let_go(self) -> None:
        import gc
        import weakref

        letters = decoder.__wrapped__()
        for _ in range(3):
            generate(letters, None, [[3, 4]], max_new_tokens=4)
        old = weakref.ref(letters.blocks[0].attention.qkv.kernel.value)
        letters.quantize("int8")
        generate(letters, None, [[3, 4]], max_new_tokens=4)
        gc.collect()
        assert old() is None

    def test_a_thread_is_not_disturbed_by_the_recording_of_another(self) -> None:
        import torch

        original, failures = torch.nn.Module.__call__, []

        def work(number: int) -> None:
            call = Compiled(model())
            for step in range(60):
                factor = 1 + (number + step) % 20
                found = call(run, (values([1, 2]),), (factor,)).sum
                if float(found[0, 0]) != 9.0 * factor:
                    failures.append((factor, found))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures and torch.nn.Module.__call__ is original


def test_a_loop_of_compiled_functions() -> None:
    def doubled(dense: Any, state: Any, until: Any) -> Any:
        return while_loop(lambda x, _: ops.all(x < until), lambda x, n: (x * 2, n + 1), state)

    state = (values([1, 2]), ops.convert_to_tensor(0))
    for _ in range(3):
        x, steps = Compiled(model())(doubled, (state, ops.convert_to_tensor(9.0)))
        assert (ops.convert_to_numpy(x).tolist(), int(steps)) == ([[8.0, 16.0]], 3)
    x, steps = doubled(None, state, ops.convert_to_tensor(0.5))
    assert (ops.convert_to_numpy(x).tolist(), int(steps)) == ([[1.0, 2.0]], 0)
