"""Rows of large tables: read and added to, on each backend in a time that does not depend on the table's size."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from kpt.distribution import replica_count, sum_over_replicas

__all__ = ["descend", "mean_square", "row_scale", "take_rows", "uniform_rows"]

# Rows that are drawn at once.
_DRAWN = 1024


def uniform_rows(limit: float) -> Callable[..., Any]:
    """Return an initializer that draws evenly from -limit to limit, in at most the memory of two tables.

    `keras.initializers.RandomUniform` takes that of four on JAX; there the rows are drawn some at a time. Like it this
    one follows `keras.utils.set_random_seed`.
    """

    def draw(shape: Sequence[int], dtype: Any = None) -> Any:
        if keras.backend.backend() != "jax":
            return keras.initializers.RandomUniform(-limit, limit)(shape, dtype=dtype)
        import jax

        rows, width = shape
        keys = jax.random.split(jax.random.key(random.randrange(1 << 31)), -(-rows // _DRAWN))

        def some(key: Any) -> Any:
            return jax.random.uniform(key, (_DRAWN, width), dtype or "float32", -limit, limit)

        return jax.jit(lambda keys: jax.lax.map(some, keys).reshape(-1, width)[:rows])(keys)

    return draw


def take_rows(variable: Any, ids: Any, dtype: str) -> Any:
    """Return rows of a variable, `[..., width]` for ids `[...]`, in a dtype; the ids have to be of the table."""
    if keras.backend.backend() == "jax":  # `ops.take` would compare each element with a bound
        return ops.cast(variable.value.at[ids].get(mode="clip"), dtype)
    return ops.cast(ops.take(variable.value, ids, axis=0), dtype)


def mean_square(*rows: Any) -> Any:
    """Return the mean squared length of all rows of tensors `[..., width]`, over all replicas: a float32 scalar."""
    means = [ops.cast(ops.mean(ops.square(each)), "float32") * each.shape[-1] for each in rows]
    numbers = [ops.cast(ops.prod(ops.shape(each)[:-1]), "float32") for each in rows]
    if replica_count() == 1:
        if len(rows) == 1:
            return means[0]
    else:  # one may have no rows at all
        means = [ops.where(number > 0, mean, 0.0) for mean, number in zip(means, numbers, strict=True)]
    products = [mean * number for mean, number in zip(means, numbers, strict=True)]
    total, number = sum_over_replicas([sum(products[1:], products[0]), sum(numbers[1:], numbers[0])])
    return total / number


def row_scale(optimizer: Any) -> Any:
    """Return the factor on gradients that `descend` wants: minus the learning rate where it adds up rows itself."""
    if keras.backend.backend() == "tensorflow":
        return 1.0
    return -ops.cast(optimizer.learning_rate, "float32")


def descend(optimizer: Any, updates: Sequence[tuple[Any, Any, Any]]) -> None:
    r"""Make a step of stochastic gradient descent on rows: :math:`\theta_i \leftarrow \theta_i - \eta g_i`.

    Gradients of one row add up, those of several replicas too. On TensorFlow the optimizer is given sparse gradients.
    JAX adds to the rows in place because `fit` donates the variables; on PyTorch `index_add_` does.

    Args:
        optimizer: `keras.optimizers.SGD` without momentum; its `iterations` go one up.
        updates: variables, ids `[m]` and gradients times `row_scale(optimizer)` `[m, width]`.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        gradients = [
            tf.IndexedSlices(ops.cast(rows, variable.dtype), ids, tf.shape(variable.value))
            for variable, ids, rows in updates
        ]
        optimizer.apply(gradients, [variable for variable, _, _ in updates])
        return
    for variable, ids, rows in updates:
        rows = ops.cast(rows, variable.dtype)
        if backend == "jax":
            table = variable.value.at[_on_every_device(ids)].add(_on_every_device(rows), mode="promise_in_bounds")
            variable.assign(table)
        else:
            variable.value.data.index_add_(0, ids, rows.detach())
    optimizer.iterations.assign_add(1)


def _on_every_device(values: Any) -> Any:
    """Have every device of a Keras distribution see all rows: else whole tables would be summed up among them."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return values
    import jax

    everywhere = jax.sharding.NamedSharding(distribution.device_mesh.backend_mesh, jax.sharding.PartitionSpec())
    return jax.lax.with_sharding_constraint(values, everywhere)
