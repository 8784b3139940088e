"""Numbers that each host has, on all of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Self

import keras
import numpy as np

from kpt.distribution.replica_batches import worker_position

__all__ = ["HostValues", "HostsVote"]

#: Seconds between two times that hosts ask each other, about, and the most steps between them.
SECONDS, STEPS = 2.0, 1_000


class HostValues:
    """Tells each host what the others have; a call on one waits for those of the others.

    Args:
        strategy: A `tf.distribute` strategy of several hosts; None for the processes of JAX.
    """

    def __init__(self, strategy: Any = None) -> None:
        self.strategy = strategy
        if strategy is None:
            return
        import tensorflow as tf

        def everywhere(values: Any) -> Any:
            return tf.distribute.get_replica_context().all_gather(values[tf.newaxis], axis=0)

        self._everywhere = tf.function(everywhere)  # traced once: what a trace takes is never given back

    @classmethod
    def of(cls, model: keras.Model) -> Self | None:
        """Return those of the hosts that a model is trained on; None of a single one."""
        if keras.backend.backend() == "jax":
            import jax

            return cls() if keras.distribution.distribution() is not None and jax.process_count() > 1 else None
        strategy = getattr(model, "_distribute_strategy", None)
        return None if strategy is None or worker_position(strategy)[0] == 1 else cls(strategy)

    def gather(self, values: Sequence[float]) -> np.ndarray:
        """Return what all hosts have given, float64 [hosts, values]; as many values on each."""
        given = np.asarray(values, np.float64)
        if self.strategy is None:
            from jax.experimental import multihost_utils

            # As integers: JAX would round to 32 bits.
            found = multihost_utils.process_allgather(given.view(np.int32))
            return np.asarray(found, np.int32).reshape(-1, 2 * len(given)).view(np.float64)
        import tensorflow as tf

        found = self.strategy.run(self._everywhere, args=(tf.constant(given),))
        rows = np.asarray(self.strategy.experimental_local_results(found)[0])
        return rows[:: len(self.strategy.extended.worker_devices)]


class HostsVote:
    """Lets several hosts do something after the same step when one of them wants it.

    They ask each other every two seconds or so, and not after each step, which would have to wait for the device: the
    slowest one says how many steps these are. A host is to call `largest` after each of the same steps as the others.

    Args:
        values: asks them.
    """

    def __init__(self, values: HostValues) -> None:
        self._values = values
        self._steps = self._asked = 0
        self._next = 1
        self._begin = time.perf_counter()

    def largest(self, wanted: int) -> int:
        """Return the largest number of all hosts, the same on each; 0 after steps in which they do not ask."""
        self._steps += 1
        return 0 if self._steps < self._next else self.largest_now(wanted)

    def largest_now(self, wanted: int) -> int:
        """Return the largest number of all hosts, as they all ask now."""
        seconds = (time.perf_counter() - self._begin) / max(1, self._steps - self._asked)
        found = self._values.gather([wanted, seconds]).max(axis=0)
        self._asked, self._next = self._steps, self._steps + steps_within(SECONDS, float(found[1]))
        self._begin = time.perf_counter()
        return int(found[0])

    def wait(self) -> None:
        """Wait until all hosts have come here."""
        self._values.gather([0.0])


def steps_within(seconds: float, step: float) -> int:
    """Return how many steps of so many seconds fit into a time, one at least.

    Example:
        >>> steps_within(2.0, 0.3), steps_within(2.0, 5.0), steps_within(2.0, 1e-6)
        (6, 1, 1000)
    """
    return max(1, min(STEPS, int(seconds / max(step, 1e-9))))
