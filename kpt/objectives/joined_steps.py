"""Several training steps in one compiled call, on JAX."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np

__all__ = ["JoinedSteps"]


class JoinedSteps:
    """What Keras's trainer on JAX calls for `steps_per_execution=count`, as one call and not as so many.

    A call hands over the arrays of a batch and waits for its turn; where a step takes a millisecond or two, that is a
    good part of it. The batches of the next call are taken while the device does this one. Batches that are too few or
    differ in their shapes are trained on one by one.

    Args:
        step: from a state and a batch to logs and the next state. The memory of a state is used again.
        count: steps of a call.
    """

    def __init__(self, step: Callable[[Any, Any], tuple[Any, Any]], count: int) -> None:
        import jax

        def one(state: Any, batch: Any) -> tuple[Any, Any]:
            logs, state = step(state, batch)
            return state, logs

        def every(state: Any, batches: Any) -> tuple[Any, Any]:
            state, logs = jax.lax.scan(one, state, batches)
            return jax.tree.map(lambda values: values[-1], logs), state

        self.count = count
        self._one = jax.jit(step, donate_argnums=0)
        self._every = jax.jit(every, donate_argnums=0)
        self._iterator: Iterator[Any] | None = None
        self._next: Callable[[Any], tuple[Any, Any]] | Exception | None = None

    def __call__(self, state: Any, iterator: Iterator[Any]) -> tuple[Any, Any]:
        """Return the logs of the last step, and the state after it.

        Raises:
            StopIteration: there is no further batch.
        """
        work = self._next if iterator is self._iterator else self._take(iterator)
        if work is None:
            raise StopIteration
        if isinstance(work, Exception):
            self._iterator = None
            raise work
        logs, state = work(state)
        self._iterator = iterator
        try:
            self._next = self._take(iterator)
        except Exception as error:  # the steps of this call are done all the same
            self._next = error
        return logs, state

    def _take(self, iterator: Iterator[Any]) -> Callable[[Any], tuple[Any, Any]] | None:
        """Return what trains on the next batches; None without any."""
        import jax

        batches = list(islice(iterator, self.count))
        shapes = [[np.shape(part) for part in jax.tree.leaves(batch)] for batch in batches]
        if len(batches) == self.count and all(each == shapes[0] for each in shapes):
            joined = jax.tree.map(lambda *parts: np.stack(parts), *batches)
            return lambda state: self._every(state, joined)

        def one_by_one(state: Any) -> tuple[Any, Any]:
            logs = None
            for batch in batches:
                logs, state = self._one(state, batch)
            return logs, state

        return one_by_one if batches else None
