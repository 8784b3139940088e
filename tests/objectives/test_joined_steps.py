"""Several steps as one call: the same as one after the other, whatever the batches."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from kpt.objectives.joined_steps import JoinedSteps


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


def test_a_batch_that_fails_leaves_the_state() -> None:
    def failing() -> Any:
        yield from batches([4] * 5)
        raise ValueError("the sixth")

    execute, iterator = JoinedSteps(step, 3), failing()
    _, state = execute((jax.numpy.zeros(5), jax.numpy.zeros((), "int32")), iterator)
    with pytest.raises(ValueError, match="the sixth"):
        execute(state, iterator)
    assert int(state[1]) == 3 and float(state[0].sum()) > 0


def test_batches_not_all_alike_are_not_made_so() -> None:
    first, second = batches([4] * 2)
    second["values"] = second["values"].astype(np.float64)
    other = {"ids": first["ids"], "values": jax.numpy.asarray(first["values"]), "more": first["ids"]}
    execute, iterator = JoinedSteps(step, 2), iter([first, second, first, other, other, other])
    state: Any = (jax.numpy.zeros(5), jax.numpy.zeros((), "int32"))
    for done in (2, 4, 6):
        _, state = execute(state, iterator)
        assert int(state[1]) == done


def test_no_batch_is_taken_that_is_not_trained_on() -> None:
    execute, iterator = JoinedSteps(step, 2), iter(batches([4] * 6))
    execute((jax.numpy.zeros(5), jax.numpy.zeros((), "int32")), iterator)
    assert len(list(iterator)) == 4
