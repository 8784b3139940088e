"""Sums over the replicas of a `tf.distribute` strategy.

Under `tf.distribute` each replica sees its part of a batch; a mean over the batch needs the sums of all parts. With a
Keras distribution on JAX a step sees the whole batch, and without either there is one replica: then these functions
return what they are given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

__all__ = ["ReplicaValues", "replica_count", "sum_over_replicas"]


def replica_count() -> int:
    """Return how many replicas a step that is being computed has; 1 outside of a step."""
    context = _replica_context()
    return 1 if context is None else int(context.num_replicas_in_sync)


def sum_over_replicas(values: Any) -> Any:
    """Return the sums of tensors over all replicas, on each of them; no gradient goes through the sum.

    Args:
        values: A tensor, or a list of tensors, that each replica has.

    Returns:
        The same of their sums; on one replica the tensors themselves.
    """
    if replica_count() == 1:
        return values
    import tensorflow as tf

    values = tf.nest.map_structure(tf.stop_gradient, values)
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, values)


class ReplicaValues:
    """What each replica of all hosts has counted, of variables that are added up only when they are read, as metrics.

    `read` and `assign` are called outside of a step, on all hosts.

    Args:
        strategy: A `tf.distribute` strategy.
        variables: Keras variables that were made in its scope.
    """

    def __init__(self, strategy: Any, variables: Sequence[Any]) -> None:
        import tensorflow as tf

        def gather() -> list[Any]:
            context = tf.distribute.get_replica_context()
            return [context.all_gather(variable.value.read_value()[tf.newaxis], axis=0) for variable in variables]

        self.strategy, self.variables = strategy, tuple(variables)
        self._gather = tf.function(gather)  # traced once: what a trace takes is never given back

    @property
    def all_here(self) -> bool:
        """Whether this host has all replicas, and needs no other to read their values."""
        local = self.strategy.experimental_local_results(self.variables[0].value)
        return len(local) == int(self.strategy.num_replicas_in_sync)

    def read(self) -> list[list[Any]]:
        """Return for each variable its values on the replicas, numbers or nested lists."""
        local = self.strategy.experimental_local_results
        if self.all_here:
            return [[np.asarray(part).tolist() for part in local(variable.value)] for variable in self.variables]
        found = self.strategy.run(self._gather)
        return [np.asarray(local(each)[0]).tolist() for each in found]

    def assign(self, values: Sequence[Sequence[Any]]) -> None:
        """Give each replica what `read` returned of it; of as many replicas."""
        import tensorflow as tf

        def assign() -> None:
            number = tf.distribute.get_replica_context().replica_id_in_sync_group
            for variable, every in zip(self.variables, values, strict=True):
                variable.value.assign(tf.gather(tf.constant(every, variable.dtype), number))

        self.strategy.run(tf.function(assign))


def _replica_context() -> Any:
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    return tf.distribute.get_replica_context()
