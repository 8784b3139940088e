"""The version folders of a served model: a positive integer each, of which TensorFlow Serving takes the highest."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from pathlib import Path

from kpt.errors import InputError

__all__ = ["check_installed", "next_version", "version_folder", "versions_of"]

#: What installs a module whose package has another name.
PACKAGES = {"tensorflow_serving": "tensorflow-serving-api", "tensorflow_text": "tensorflow-text"}


def next_version(folder: str | os.PathLike[str]) -> int:
    """Return 1 more than the highest version in a model's folder; 1 if it has none or does not exist.

    Names that are no integers, such as the temporary folder of an export, are no versions.

    Example:
        >>> next_version("no such folder")
        1
    """
    return max(versions_of(folder), default=0) + 1


def versions_of(folder: str | os.PathLike[str]) -> list[int]:
    """Return the versions in a model's folder, the highest last.

    Example:
        >>> versions_of("no such folder")
        []
    """
    path = Path(folder)
    names = [entry.name for entry in path.iterdir()] if path.is_dir() else []
    return sorted(int(name) for name in names if re.fullmatch("[0-9]+", name))


def version_folder(folder: str | os.PathLike[str], version: int | None = None) -> Path:
    """Return the path of a new version, which nothing has been written to.

    Args:
        folder: the model's folder.
        version: its number; by default the next.

    Raises:
        InputError: the version is not positive or is there already.
    """
    if version is None:
        version = next_version(folder)
    if version < 1:
        raise InputError(f"version is {version}; give 1 or more")
    path = Path(folder) / str(version)
    if path.exists():
        raise InputError(f"{path} exists already, and a served version must not change; give another version")
    return path


def check_installed(*modules: str) -> None:
    """Check that what writes a SavedModel is there: some modules, and the messages of TensorFlow Serving.

    Raises:
        InputError: one of them is not installed.
    """
    for module in (*modules, "tensorflow_serving"):
        if find_spec(module) is None:
            package = PACKAGES.get(module, module)
            raise InputError(f"a SavedModel is written by TensorFlow, and {module} is not installed; install {package}")
