from __future__ import annotations

from typing import Any

import pytest

from kpt.distribution import hardware
from kpt.distribution.hardware import device_count, find_device, peak_flops


def test_peaks_by_the_names_that_drivers_have() -> None:
    names = (
        "NVIDIA A100-SXM4-80GB",
        "NVIDIA H100 PCIe",
        "Tesla V100-SXM2-16GB",
        "NVIDIA L40S",
        "TPU v5 lite",
        "TPU v4",
    )
    assert [peak_flops(name) for name in names] == [312e12, 756e12, 125e12, 362e12, 197e12, 275e12]
    assert peak_flops("Radeon") is None


def test_this_device() -> None:
    assert device_count() == 1
    device = find_device()
    assert device.name and (device.memory or 0) > 1 << 28


def test_the_drivers_program_tells_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    class Done:
        stdout = "81559\n81559\n"

    monkeypatch.setattr(hardware.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(hardware.subprocess, "run", lambda *_, **__: Done)
    assert hardware._memory_of_gpu() == 81559 * 2**20
    monkeypatch.setattr(hardware.shutil, "which", lambda name: None)
    assert hardware._memory_of_gpu() is None


def test_a_gpu_of_tensorflow_goes_by_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    tf: Any = pytest.importorskip("tensorflow")
    kinds = {"GPU": ["GPU:0"], "TPU": []}
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: kinds[kind])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda _: {"device_name": "NVIDIA L4"})
    monkeypatch.setattr(hardware, "_memory_of_gpu", lambda: 24 << 30)
    assert hardware._tensorflow() == ("NVIDIA L4", 24 << 30)
