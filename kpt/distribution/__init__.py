"""Several devices and hosts: `tf.distribute` strategies on TensorFlow and meshes of `keras.distribution` on JAX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kpt.lazy import lazy_names

if TYPE_CHECKING:
    from kpt.distribution.cluster import Cluster, find_cluster
    from kpt.distribution.devices import Devices, choose_devices, in_scope
    from kpt.distribution.hardware import Device, device_count, find_device, peak_flops
    from kpt.distribution.keras_repairs import StrategyModel
    from kpt.distribution.meshes import layout_map, make_distribution
    from kpt.distribution.replicas import replica_count, sum_over_replicas
    from kpt.distribution.strategies import compiles_steps, make_strategy

__all__ = [
    "Cluster",
    "Device",
    "Devices",
    "StrategyModel",
    "choose_devices",
    "compiles_steps",
    "device_count",
    "find_cluster",
    "find_device",
    "in_scope",
    "layout_map",
    "make_distribution",
    "make_strategy",
    "peak_flops",
    "replica_count",
    "sum_over_replicas",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Cluster": "kpt.distribution.cluster",
        "Device": "kpt.distribution.hardware",
        "Devices": "kpt.distribution.devices",
        "StrategyModel": "kpt.distribution.keras_repairs",
        "choose_devices": "kpt.distribution.devices",
        "compiles_steps": "kpt.distribution.strategies",
        "device_count": "kpt.distribution.hardware",
        "find_cluster": "kpt.distribution.cluster",
        "find_device": "kpt.distribution.hardware",
        "in_scope": "kpt.distribution.devices",
        "layout_map": "kpt.distribution.meshes",
        "make_distribution": "kpt.distribution.meshes",
        "make_strategy": "kpt.distribution.strategies",
        "peak_flops": "kpt.distribution.hardware",
        "replica_count": "kpt.distribution.replicas",
        "sum_over_replicas": "kpt.distribution.replicas",
    },
)
