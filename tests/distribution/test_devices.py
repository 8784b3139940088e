from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kpt import Encoder, InputError
from kpt.distribution import Devices, choose_devices, in_scope, make_strategy
from tests.distribution.processes import run_together


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TF_CONFIG", "TPU_NAME", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)


def test_one_device() -> None:
    for devices in (Devices(), choose_devices(), choose_devices("none", "none")):
        assert devices == Devices()
        assert devices.chief and devices.single and devices.replicas == 1
        with devices.scope():
            assert not tf.distribute.has_strategy()
        devices.check_agreement("number", 3)


def test_a_strategy() -> None:
    devices = choose_devices("mirrored")
    assert (devices.host_index, devices.host_count, devices.chief) == (0, 1, True)
    assert devices.replicas == len(tf.config.list_logical_devices("CPU"))
    with devices.scope():
        assert tf.distribute.get_strategy() is devices.strategy


def test_a_mesh_is_for_another_backend() -> None:
    with pytest.raises(InputError, match="Keras has meshes on JAX alone"):
        choose_devices(mesh="2x4")


def test_only_the_first_host_is_the_chief() -> None:
    assert not Devices(host_index=1, host_count=2).chief


def test_a_model_of_another_scope() -> None:
    encoder = Encoder(10, 4, depth=1, heads=1)
    assert in_scope(encoder) is encoder
    with make_strategy("mirrored", devices=["CPU:0"]).scope() as strategy:
        copy: Any = in_scope(encoder)
        assert copy is not encoder and isinstance(copy, Encoder)
        assert copy.distribute_strategy is tf.distribute.get_strategy(), strategy
    for one, other in zip(encoder.weights, copy.weights, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(other))


HOSTS = """
from kpt import InputError
from kpt.distribution import choose_devices
devices = choose_devices()
assert (devices.host_count, devices.replicas, devices.single) == (2, 2, False)
devices.check_agreement("number", 7)
try:
    devices.check_agreement("number", 7 + devices.host_index)
except InputError as error:
    print(devices.host_index, error)
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_two_hosts_that_do_not_agree(backend: str) -> None:
    outputs = run_together(["-c", HOSTS], count=2, backend=backend)
    message = "the hosts do not agree on the number: 7, 8; give all of them the same folder and call"
    assert [output.splitlines()[-1] for output in outputs] == [f"0 {message}", f"1 {message}"]
