from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import keras
import pytest
import tensorflow as tf

from kpt import InputError
from kpt.distribution import Cluster, compiles_steps, make_strategy
from kpt.distribution.strategies import tpu_strategy


class StandIn:
    """Notes what is done with a TPU, in place of TensorFlow's functions."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, local: bool = False) -> None:
        self.calls: list[tuple[str, Any]] = []
        resolvers, experimental = tf.distribute.cluster_resolver, tf.tpu.experimental
        monkeypatch.setattr(resolvers, "TPUClusterResolver", self.note("resolver", lambda tpu: f"resolver of {tpu}"))
        monkeypatch.setattr(tf.config, "experimental_connect_to_cluster", self.note("connect"))
        monkeypatch.setattr(experimental, "initialize_tpu_system", self.note("initialize"))
        monkeypatch.setattr(tf.distribute, "TPUStrategy", self.note("strategy", lambda resolver: "the strategy"))
        devices = [SimpleNamespace(name="TPU:0")] if local else []
        found = tf.config.list_physical_devices
        monkeypatch.setattr(
            tf.config, "list_physical_devices", lambda kind=None: devices if kind == "TPU" else found(kind)
        )

    def note(self, name: str, answer: Any = lambda argument: None) -> Any:
        def called(argument: Any = None, tpu: Any = None) -> Any:
            self.calls.append((name, argument or tpu))
            return answer(argument or tpu)

        return called


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TF_CONFIG", "TPU_NAME", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)


def test_a_tpu_by_its_name_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = StandIn(monkeypatch)
    monkeypatch.setenv("TPU_NAME", "pod")
    assert make_strategy("auto") == "the strategy"
    resolver = "resolver of pod"
    assert stand_in.calls == [
        ("resolver", "pod"),
        ("connect", resolver),
        ("initialize", resolver),
        ("strategy", resolver),
    ]


def test_the_tpu_of_this_machine_is_not_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = StandIn(monkeypatch, local=True)
    assert make_strategy("auto") == make_strategy("tpu") == "the strategy"
    resolver = "resolver of local"
    assert stand_in.calls == 2 * [("resolver", "local"), ("initialize", resolver), ("strategy", resolver)]


def test_a_tpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(tpu: str) -> None:
        raise ValueError("Please provide a TPU Name to connect to.\nMore.")

    monkeypatch.setattr(tf.distribute.cluster_resolver, "TPUClusterResolver", failing)
    with pytest.raises(InputError, match=r"the TPU 'x' cannot be used \(Please provide a TPU Name to connect to.\);"):
        tpu_strategy("x")


def test_one_device_needs_no_strategy() -> None:
    assert make_strategy("none") is None
    assert make_strategy("auto") is None


def test_several_gpus_are_mirrored(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = [SimpleNamespace(name=f"GPU:{number}") for number in range(2)]
    for name in ("list_physical_devices", "list_logical_devices"):
        monkeypatch.setattr(tf.config, name, lambda kind=None: gpus if kind == "GPU" else [])
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda devices: devices)
    assert make_strategy("auto") == ["GPU:0", "GPU:1"]


def test_cpus_are_mirrored_where_there_is_no_gpu() -> None:
    strategy = make_strategy("mirrored")
    assert isinstance(strategy, tf.distribute.MirroredStrategy)
    assert strategy.num_replicas_in_sync == len(tf.config.list_logical_devices("CPU"))


def test_workers_are_those_of_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", lambda cluster_resolver: cluster_resolver)
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"chief": ["a:1"], "worker": ["b:1"]}, "task": {"index": 0}}')
    for resolver in (make_strategy("auto"), make_strategy("multi_worker", cluster=Cluster(("a:1", "b:1"), 1))):
        assert resolver.cluster_spec().as_dict() == {"worker": ["a:1", "b:1"]}
        assert (resolver.task_type, resolver.task_id, resolver.rpc_layer) == ("worker", 1, "grpc")


def test_workers_without_a_cluster() -> None:
    with pytest.raises(InputError, match="no cluster for the strategy multi_worker; set TF_CONFIG on each host"):
        make_strategy("multi_worker")


def test_workers_that_come_too_late() -> None:
    keras.ops.zeros(())
    with pytest.raises(InputError, match="the strategy of several workers comes too late"):
        make_strategy("multi_worker", cluster=Cluster(("127.0.0.1:1", "127.0.0.1:2"), 0))


def test_an_unknown_name() -> None:
    with pytest.raises(InputError, match="the strategy is 'miror'; did you mean mirrored"):
        make_strategy("miror")


def test_other_backends_have_no_strategies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    assert make_strategy("auto") is None
    assert compiles_steps() == "auto"
    with pytest.raises(InputError, match="strategies are TensorFlow's, and Keras runs on jax"):
        make_strategy("mirrored")


def test_a_step_of_one_replica_is_compiled() -> None:
    assert compiles_steps() is True
    with make_strategy("mirrored", devices=["CPU:0"]).scope():
        assert compiles_steps() is True
