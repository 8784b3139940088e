"""The files of a checkpoint, with checksums: one that was cut off or altered is not trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kpt.data.writer import hash_file
from kpt.errors import InputError
from kpt.files import write_json

__all__ = ["MODEL", "check_files", "read_state", "write_files"]

#: Model, weights and optimizer, as Keras writes them.
MODEL = "model.keras"
#: What Keras leaves out: the step, the random numbers, the metrics since the last line.
STATE = "state.json"
#: Size and sha256 of the others.
CHECKSUMS = "checksums.json"


def write_files(folder: Path, model: Any, state: dict[str, Any]) -> None:
    """Write the files of a checkpoint into a folder that nobody reads yet.

    Args:
        folder: A temporary folder, see `kpt.files.atomic_folder`.
        model: Has `save`.
        state: JSON values.
    """
    model.save(folder / MODEL)
    write_json(folder / STATE, state)
    write_json(
        folder / CHECKSUMS,
        {
            name: {"bytes": (folder / name).stat().st_size, "sha256": hash_file(folder / name)}
            for name in (MODEL, STATE)
        },
    )


def check_files(folder: Path) -> None:
    """Make sure that the files of a checkpoint are those that were written.

    One that an earlier version wrote has no checksums; it passes, and its model is read with care.

    Raises:
        InputError: A file is missing, has another size or another content; the message names it.
    """
    path = folder / CHECKSUMS
    if not path.is_file():
        if (folder / STATE).is_file():
            raise damaged(path, "it is missing")
        return
    try:
        entries = {name: (entry["bytes"], entry["sha256"]) for name, entry in json.loads(path.read_bytes()).items()}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise damaged(path, str(error)) from error
    for name in (MODEL, STATE):
        if name not in entries:
            raise damaged(path, f"it does not name {name}")
        size, expected = entries[name]
        file = folder / name
        if not file.is_file():
            raise damaged(file, "it is missing")
        if file.stat().st_size != size:
            raise damaged(file, f"it has {file.stat().st_size:,} bytes instead of {size:,}")
        if hash_file(file) != expected:
            raise damaged(file, "its content is not what was written")


def read_state(folder: Path) -> dict[str, Any]:
    """Return what `write_files` was given beside the model; nothing where an earlier version wrote the checkpoint.

    Raises:
        InputError: The file is damaged.
    """
    path = folder / STATE
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_bytes()))
    except (ValueError, TypeError, RecursionError) as error:
        raise damaged(path, str(error)) from error


def damaged(path: Path, how: str) -> InputError:
    """Return the error for a file that cannot be used."""
    return InputError(f"{path} cannot be read ({how}); take another checkpoint of the run")
