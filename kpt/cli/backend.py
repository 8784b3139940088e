"""Loads the backend that a verb asks for, without the notes that it prints while it loads."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from kpt.errors import InputError

if TYPE_CHECKING:
    from kpt.distribution import Devices

__all__ = ["load_backend", "load_devices", "load_quietly"]

# What installs each backend.
BACKENDS = {"tensorflow": "tensorflow", "jax": "'kpt[jax]'", "torch": "'kpt[torch]'"}
# TensorFlow's C++ notes have no switch: TF_CPP_MIN_LOG_LEVEL counts only from after its import on.
NOTE = re.compile(
    rb"[IW]\d{4} .*\.(cc|h|cpp):\d+\] |WARNING: All log messages before absl::InitializeLog|E\d{4} .* cuInit: |\s*$"
)


def load_backend(name: str | None = None, first: Callable[[], Any] = lambda: None) -> str:
    """Import Keras on a backend; what is no informational note, errors for example, is still printed.

    Args:
        name: `"tensorflow"`, `"jax"` or `"torch"`; None leaves the choice to KERAS_BACKEND and Keras's configuration.
        first: called before anything is computed.

    Returns:
        The name of the backend.

    Raises:
        InputError: there is no such backend, or it is not installed.
    """
    if name:
        os.environ["KERAS_BACKEND"] = name
    if chosen := os.environ.get("KERAS_BACKEND"):
        if chosen not in BACKENDS:
            raise InputError(f"there is no backend {chosen!r}; set --backend or KERAS_BACKEND to {', '.join(BACKENDS)}")
        if find_spec(chosen) is None:
            raise InputError(f"the backend {chosen} is not installed; run: pip install {BACKENDS[chosen]}")
    backend: str = load_quietly(lambda: _load_keras(first))
    return backend


def load_quietly(load: Callable[[], Any]) -> Any:
    """Return what a function returns that imports a backend; what is no informational note is still printed."""
    for variable, value in {"TF_CPP_MIN_LOG_LEVEL": "2", "GRPC_VERBOSITY": "ERROR", "MPLBACKEND": "agg"}.items():
        os.environ.setdefault(variable, value)
    with _without_notes():
        return load()


def _load_keras(first: Callable[[], Any]) -> str:
    import keras

    first()
    keras.ops.zeros(())  # looks for devices
    keras.utils.set_random_seed(0)  # loads TensorFlow, where it is installed, as `fit` does on every backend
    return str(keras.backend.backend())


def load_devices(arguments: Namespace) -> Devices:
    """Import Keras on the backend, and return the devices, that a verb's arguments name.

    Raises:
        InputError: there is no such backend, it is not installed, or the devices are not there.
    """
    chosen: list[Devices] = []

    def first() -> None:
        from kpt.distribution import choose_devices

        chosen.append(choose_devices(arguments.strategy, arguments.mesh))

    load_backend(arguments.backend, first)
    return chosen[0]


@contextmanager
def _without_notes() -> Iterator[None]:
    """Hold standard error back at the level of the process, then print of it what is no note."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        stderr = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            held.seek(0)
            for line in held:
                if not NOTE.match(line):
                    os.write(2, line)
