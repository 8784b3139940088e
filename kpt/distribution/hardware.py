"""What the device of a run is: its name, its memory, and how fast it can be at most."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Any, NamedTuple

import keras

__all__ = ["PEAKS", "Device", "device_count", "find_device", "peak_flops"]

#: Operations a second in matrix products of 16-bit floats without sparsity, as the makers state them; for one TPU chip.
#: The first name that is in a device's own counts. Source: NVIDIA's data sheets; Google Cloud's TPU documentation.
PEAKS = {
    "B200": 2250e12,
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "A10G": 70e12,
    "A10": 125e12,
    "L4": 121e12,
    "V100": 125e12,
    "T4": 65e12,
    "RTX 4090": 165e12,
    "RTX 3090": 71e12,
    "TPU v6": 918e12,
    "TPU v5p": 459e12,
    "TPU v5": 197e12,
    "TPU v4": 275e12,
    "TPU v3": 123e12,
    "TPU v2": 45e12,
}


class Device(NamedTuple):
    """A device.

    Attributes:
        name: as its driver has it, or `CPU`.
        memory: bytes; None where unknown.
        peak: operations a second at most, see `PEAKS`; None where unknown, as of CPUs.
    """

    name: str
    memory: int | None
    peak: float | None


def peak_flops(name: str) -> float | None:
    """Return the operations a second that a device can do at most; None where unknown.

    Example:
        >>> peak_flops("NVIDIA H100 80GB HBM3"), peak_flops("CPU")
        (989000000000000.0, None)
    """
    return next((peak for part, peak in PEAKS.items() if part.lower() in name.lower()), None)


def device_count() -> int:
    """Return how many devices the present scope trains on."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return int(tf.distribute.get_strategy().num_replicas_in_sync)
    distribution = keras.distribution.distribution()
    return 1 if distribution is None else int(distribution.device_mesh.devices.size)


def find_device() -> Device:
    """Return the first device that Keras computes on."""
    name, memory = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[keras.backend.backend()]()
    if name == "CPU":
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Device(name, memory, peak_flops(name))


def _tensorflow() -> tuple[str, int | None]:
    import tensorflow as tf

    if tf.config.list_physical_devices("TPU"):
        return "TPU", None
    for device in tf.config.list_physical_devices("GPU"):
        return str(tf.config.experimental.get_device_details(device).get("device_name", "GPU")), _memory_of_gpu()
    return "CPU", None


def _jax() -> tuple[str, int | None]:
    import jax

    device: Any = jax.devices()[0]
    if device.platform == "cpu":
        return "CPU", None
    return str(device.device_kind), (device.memory_stats() or {}).get("bytes_limit")


def _torch() -> tuple[str, int | None]:
    import torch

    if not torch.cuda.is_available():
        return "CPU", None
    return torch.cuda.get_device_name(), int(torch.cuda.get_device_properties(0).total_memory)


def _memory_of_gpu() -> int | None:
    """What the driver's own program says, for TensorFlow does not tell."""
    if shutil.which("nvidia-smi") is None:
        return None
    call = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=30)
    first = done.stdout.split("\n")[0].strip()
    return int(first) * 2**20 if first.isdigit() else None
