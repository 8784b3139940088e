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
    good part of it. Batches that are too few, or not all alike, are trained on one by one.

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

    def __call__(self, state: Any, iterator: Iterator[Any]) -> tuple[Any, Any]:
        """Return the logs of the last step, and the state after it; what a batch fails with leaves the state as it is.

        Raises:
            StopIteration: there is no further batch.
        """
        import jax

        batches = list(islice(iterator, self.count))
        if not batches:
            raise StopIteration
        if len(batches) == self.count and all(form(batch) == form(batches[0]) for batch in batches):
            stacked: tuple[Any, Any] = self._every(state, jax.tree.map(stack, *batches))
            return stacked
        logs = None
        for batch in batches:
            logs, state = self._one(state, batch)
        return logs, state


def form(batch: Any) -> tuple[Any, list[tuple[Any, Any]]]:
    """Return the structure of a batch, and the shape and dtype of each array."""
    import jax

    leaves, structure = jax.tree.flatten(batch)
    return structure, [(np.shape(leaf), getattr(leaf, "dtype", type(leaf))) for leaf in leaves]


def stack(*arrays: Any) -> Any:
    """Return arrays as one, where they are: an accelerator's are there already."""
    import jax

    return (jax.numpy if isinstance(arrays[0], jax.Array) else np).stack(arrays)
