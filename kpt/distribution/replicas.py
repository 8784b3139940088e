"""Sums over the replicas of a `tf.distribute` strategy.

Under `tf.distribute` each replica sees its part of a batch; a mean over the batch needs the sums of all parts. With a
Keras distribution on JAX a step sees the whole batch, and without either there is one replica: then these functions
return what they are given.
"""

from __future__ import annotations

from typing import Any

import keras

__all__ = ["replica_count", "sum_over_replicas"]


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


def _replica_context() -> Any:
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    return tf.distribute.get_replica_context()
