"""Python processes that train together on this machine."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
WITHOUT_TENSORFLOW = ROOT / "tests" / "without_tensorflow"


def free_addresses(count: int) -> list[str]:
    """Addresses on this machine at which nobody listens."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return addresses


def run_together(
    words: Sequence[str], count: int = 1, backend: str = "tensorflow", devices: int = 1, folder: Path = ROOT
) -> list[str]:
    """Run Python with these arguments in so many processes of a cluster; returns what each prints."""
    path = f"{WITHOUT_TENSORFLOW}:{ROOT}" if backend == "jax" else str(ROOT)
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    environment = {**os.environ, "PYTHONPATH": path, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "2"}
    if backend == "jax":
        environment["XLA_FLAGS"] = flags
    workers = free_addresses(count)
    processes = []
    for index in range(count):
        config = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        own = {"TF_CONFIG": json.dumps(config)} if count > 1 else {}
        processes.append(
            subprocess.Popen(
                [sys.executable, *words],
                cwd=folder,
                env=environment | own,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    try:
        outputs = [process.communicate(timeout=400) for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, (_, errors) in zip(processes, outputs, strict=True):
        assert process.returncode == 0, errors[-4000:]
    return [output for output, _ in outputs]
