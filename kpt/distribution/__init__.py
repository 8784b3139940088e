"""Several devices and hosts: `tf.distribute` strategies on TensorFlow and meshes of `keras.distribution` on JAX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kpt.lazy import lazy_names

if TYPE_CHECKING:
    from kpt.distribution.keras_repairs import StrategyModel
    from kpt.distribution.replicas import replica_count, sum_over_replicas

__all__ = ["StrategyModel", "replica_count", "sum_over_replicas"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "StrategyModel": "kpt.distribution.keras_repairs",
        "replica_count": "kpt.distribution.replicas",
        "sum_over_replicas": "kpt.distribution.replicas",
    },
)
