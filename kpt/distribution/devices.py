"""The devices and hosts of a run, whatever Keras runs on."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import keras

from kpt.distribution.cluster import find_cluster
from kpt.distribution.host_values import HostValues
from kpt.distribution.meshes import make_distribution
from kpt.distribution.replica_batches import worker_position
from kpt.distribution.strategies import make_strategy
from kpt.errors import InputError

__all__ = ["Devices", "choose_devices", "in_scope"]


@dataclass(frozen=True)
class Devices:
    """What a run trains on; by default one device, or what the caller's scope says.

    Args:
        strategy: a strategy of `tf.distribute`.
        distribution: a distribution of `keras.distribution`.
        host_index: which host, or process, this is.
        host_count: how many there are.
    """

    strategy: Any = None
    distribution: Any = None
    host_index: int = 0
    host_count: int = 1

    @property
    def chief(self) -> bool:
        """Whether this host is the one that writes."""
        return self.host_index == 0

    @property
    def replicas(self) -> int:
        """How many parts a batch has."""
        if self.strategy is not None:
            return int(self.strategy.num_replicas_in_sync)
        return 1 if self.distribution is None else int(self.distribution.num_model_replicas)

    @property
    def single(self) -> bool:
        """Whether all is on one device."""
        return self.replicas == 1 and (self.distribution is None or self.distribution.device_mesh.devices.size == 1)

    def scope(self) -> AbstractContextManager[Any]:
        """Return the scope in which models are built, compiled, loaded and trained."""
        chosen = self.strategy if self.strategy is not None else self.distribution
        return nullcontext() if chosen is None else chosen.scope()

    def check_agreement(self, what: str, number: int) -> None:
        """Make sure that all hosts have the same number; a call on one waits for those of the others.

        Args:
            what: the number's name.
            number: a whole number.

        Raises:
            InputError: another host has another one.
        """
        if self.host_count == 1:
            return
        numbers = [int(each) for (each,) in HostValues(self.strategy).gather([number])]
        if set(numbers) != {number}:
            each = ", ".join(map(str, numbers))
            raise InputError(f"the hosts do not agree on the {what}: {each}; give all of them the same folder and call")


def choose_devices(strategy: str = "auto", mesh: str = "auto") -> Devices:
    """Return the devices that are named, or those that are there; call it before anything is computed.

    Args:
        strategy: on TensorFlow, see `make_strategy`.
        mesh: on JAX, see `mesh_shape`, over all devices of all processes; or `"none"` for one device. `"auto"` takes
            all where there are several. Several processes are those of `KERAS_DISTRIBUTION_JOB_ADDRESSES`,
            `..._NUM_PROCESSES` and `..._PROCESS_ID`, or of `find_cluster`.

    Raises:
        InputError: a name is unknown, what it needs is not there, or it is not for the backend that Keras runs on.
    """
    backend = keras.backend.backend()
    if backend != "jax" and mesh not in ("auto", "none"):
        make_distribution(mesh)  # says that meshes are JAX's
    if backend != "jax" or strategy not in ("auto", "none"):
        made = make_strategy(strategy)
        if made is None:
            return Devices()
        count, index = worker_position(made)
        return Devices(strategy=made, host_index=index, host_count=count)
    if mesh == "none":
        return Devices()
    join_processes()
    if mesh == "auto" and keras.distribution.get_device_count() == 1:
        return Devices()
    import jax

    made = make_distribution(mesh)
    if jax.process_count() > 1 and isinstance(made, keras.distribution.ModelParallel):
        raise InputError(
            f"the mesh {mesh} divides weights among {jax.process_count()} processes, which cannot save them; give one "
            "that divides batches alone, or a single process"
        )
    return Devices(None, made, jax.process_index(), jax.process_count())


def in_scope(model: keras.Model) -> keras.Model:
    """Return a model, or where a strategy or distribution is in scope a copy that was made in it.

    Args:
        model: the model, of a class with `get_config`.
    """
    under = keras.distribution.distribution() is not None
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        under = tf.distribute.has_strategy()
    if not under:
        return model
    copy = type(model).from_config(model.get_config())
    copy.set_weights(model.get_weights())
    return copy


def join_processes() -> None:
    """Have this process of JAX find the others, if there are some; once."""
    import jax

    if jax.distributed.is_initialized():
        return
    if "KERAS_DISTRIBUTION_NUM_PROCESSES" in os.environ:
        keras.distribution.initialize()
    elif (cluster := find_cluster()) is not None and len(cluster.workers) > 1:
        keras.distribution.initialize(",".join(cluster.workers), len(cluster.workers), cluster.number)
