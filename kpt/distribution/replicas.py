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

__all__ = ["assign_replica_values", "replica_count", "replica_values", "sum_over_replicas"]


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


def replica_values(strategy: Any, variables: Sequence[Any]) -> list[Any]:
    """Return what each replica has counted, of variables that are added up only when they are read, as metrics are.

    To be called outside of a step, on all hosts.

    Args:
        strategy: A `tf.distribute` strategy.
        variables: Keras variables that were made in its scope.

    Returns:
        For each variable a list of its values on the replicas of all hosts, numbers or nested lists.
    """
    import tensorflow as tf

    def gather() -> list[Any]:
        context = tf.distribute.get_replica_context()
        return [context.all_gather(variable.value.read_value()[tf.newaxis], axis=0) for variable in variables]

    found = strategy.run(tf.function(gather))
    return [np.asarray(strategy.experimental_local_results(each)[0]).tolist() for each in found]


def assign_replica_values(strategy: Any, variables: Sequence[Any], values: Sequence[Sequence[Any]]) -> None:
    """Give each replica what `replica_values` returned of it; of as many replicas."""
    import tensorflow as tf

    def assign() -> None:
        number = tf.distribute.get_replica_context().replica_id_in_sync_group
        for variable, every in zip(variables, values, strict=True):
            variable.value.assign(tf.gather(tf.constant(every, variable.dtype), number))

    strategy.run(tf.function(assign))


def _replica_context() -> Any:
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    return tf.distribute.get_replica_context()
