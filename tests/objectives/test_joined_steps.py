"""Several steps as one call: the same as one after the other, whatever the batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kpt.objectives.joined_steps import JoinedSteps

jax = pytest.importorskip("jax")


def step(state: Any, batch: Any) -> tuple[Any, Any]:
    table, count = state
    table = table.at[batch["ids"]].add(batch["values"] * (1 + count))
    return {"sum": table.sum(), "count": count + 1}, (table, count + 1)


def batches(sizes: list[int]) -> list[dict[str, np.ndarray]]:
    generator = np.random.default_rng(0)
    return [
        {"ids": generator.integers(0, 5, size, np.int32), "values": generator.random(size, np.float32)}
        for size in sizes
    ]


@pytest.mark.parametrize("sizes", [[4] * 6, [4] * 7, [4, 4, 3], [3], [4, 2, 4, 4]])
def test_joined_steps_are_those_one_by_one(sizes: list[int]) -> None:
    table = np.zeros(5)
    for number, batch in enumerate(batches(sizes), 1):
        np.add.at(table, batch["ids"], batch["values"].astype(np.float64) * number)
    execute, iterator = JoinedSteps(step, 3), iter(batches(sizes))
    state: Any = (jax.numpy.zeros(5), jax.numpy.zeros((), "int32"))
    logs: Any = None
    calls = 0
    while True:
        try:
            logs, state = execute(state, iterator)
        except StopIteration:
            break
        calls += 1
    assert calls == -(-len(sizes) // 3)
    np.testing.assert_allclose(state[0], table, rtol=1e-6)
    assert int(state[1]) == int(logs["count"]) == len(sizes)
    assert float(logs["sum"]) == pytest.approx(table.sum(), rel=1e-6)


def test_a_batch_that_fails_does_so_after_the_steps_before_it() -> None:
    def failing() -> Any:
        yield from batches([4] * 3)
        raise ValueError("the fourth")

    execute, iterator = JoinedSteps(step, 3), failing()
    _, state = execute((jax.numpy.zeros(5), jax.numpy.zeros((), "int32")), iterator)
    assert int(state[1]) == 3 and float(state[0].sum()) > 0
    with pytest.raises(ValueError, match="the fourth"):
        execute(state, iterator)
    assert int(state[1]) == 3


def test_batches_taken_ahead_are_those_of_their_iterator() -> None:
    execute = JoinedSteps(step, 2)
    first, second = iter(batches([4] * 6)), iter(batches([4] * 2))
    _, state = execute((jax.numpy.zeros(5), jax.numpy.zeros((), "int32")), first)
    _, alone = execute((jax.numpy.zeros(5), jax.numpy.zeros((), "int32")), second)
    assert float(alone[0].sum()) == float(state[0].sum())
    with pytest.raises(StopIteration):
        execute(alone, second)
