"""Writes that happen completely or not at all: temporary name, fsync, rename.

A temporary file or folder stands beside its target under the name `.TARGET.XXXXXXXX.partial` and is locked (`flock`) by
the process that writes it. A process that was killed lets go of its lock, so the next writer of the same target
recognises what the dead one left and removes it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kpt.errors import InputError

if sys.platform != "win32":
    import fcntl

# How many characters `tempfile` draws for a name.
_RANDOM_CHARACTERS = 8
_PARTIAL = ".partial"
_REPLACED = ".replaced"


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path to write to; rename it to `path` when the block ends, remove it when the block fails.

    Args:
        path: the file to write; an existing file is replaced in one step.

    Raises:
        InputError: the folder of `path` cannot be written.

    Example:
        >>> with atomic_file("notes.txt") as temporary:  # doctest: +SKIP
        ...     temporary.write_text("complete or absent")
    """
    target = Path(path)
    check_writable_folder(target.parent)
    _remove_stale(target)
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=_PARTIAL, dir=target.parent)
    temporary = Path(name)
    try:
        _lock(descriptor)
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())  # last, since safetensors puts a file that only its owner reads in place
        _sync(temporary)
        os.replace(temporary, target)
        _sync(target.parent)
    finally:
        os.close(descriptor)
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary folder to fill; rename it to `path` when the block ends, remove it when the block fails.

    Args:
        path: the folder to write. It may exist if it is empty.
        overwrite: replace a folder that holds something. Whoever passes True has looked at what is in it. A kill
            between the two renames of a replacement loses neither: the next `atomic_folder` of the path puts the old
            one back.

    Raises:
        InputError: `path` holds something and `overwrite` is False, or its parent cannot be written.

    Example:
        >>> with atomic_folder("store") as temporary:  # doctest: +SKIP
        ...     (temporary / "data.bin").write_bytes(b"complete or absent")
    """
    target = Path(path)
    check_writable_folder(target.parent)
    _restore_replaced(target)
    _remove_stale(target)
    _check_free(target, overwrite)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=_PARTIAL, dir=target.parent))
    descriptor = os.open(temporary, os.O_RDONLY) if sys.platform != "win32" else -1
    try:
        _lock(descriptor)
        os.chmod(temporary, 0o777 & ~_umask())
        yield temporary
        for file in sorted(temporary.rglob("*")):
            _sync(file)
        _sync(temporary)
        _check_free(target, overwrite)
        replaced = None
        if target.is_dir() and any(target.iterdir()):
            replaced = target.parent / (temporary.name.removesuffix(_PARTIAL) + _REPLACED)
            os.rename(target, replaced)
        os.replace(temporary, target)
        _sync(target.parent)
        if replaced is not None:
            shutil.rmtree(replaced, ignore_errors=True)
    finally:
        if descriptor >= 0:
            os.close(descriptor)
        shutil.rmtree(temporary, ignore_errors=True)


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` as indented UTF-8 JSON, atomically; keys keep their order and NaN is refused (`ValueError`)."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def check_writable_folder(path: str | os.PathLike[str]) -> Path:
    """Create the folder if it is missing and try a write in it, so that long work does not fail at its end.

    Raises:
        InputError: the folder cannot be made or written.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"cannot write to the folder {folder} ({reason}); choose another one") from error
    return folder


def _check_free(target: Path, overwrite: bool) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise InputError(f"{target} is a file where a folder is to be written; choose another name")
    if not overwrite and any(target.iterdir()):
        raise InputError(f"the folder {target} exists and is not empty; remove it or choose another one")


def _restore_replaced(target: Path) -> None:
    """Put back, or remove, what a killed replacement had moved aside."""
    for old in _leftovers(target, _REPLACED):
        if not _is_held(old.with_name(old.name.removesuffix(_REPLACED) + _PARTIAL)):
            if target.exists():
                shutil.rmtree(old, ignore_errors=True)
            else:
                os.rename(old, target)


def _remove_stale(target: Path) -> None:
    for stale in _leftovers(target, _PARTIAL):
        if _is_held(stale):
            continue
        if stale.is_dir():
            shutil.rmtree(stale, ignore_errors=True)
        else:
            stale.unlink(missing_ok=True)


def _leftovers(target: Path, ending: str) -> list[Path]:
    """What stands beside a target under a temporary name of its own, and not of another one such as `TARGET.v2`."""
    return sorted(target.parent.glob(f".{_escape(target.name)}.{'?' * _RANDOM_CHARACTERS}{ending}"))


def _escape(name: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)


def _is_held(path: Path) -> bool:
    """Whether a living process holds the lock of a temporary file or folder."""
    if sys.platform == "win32":
        return path.exists()
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _lock(descriptor: int) -> None:
    if sys.platform != "win32":
        with suppress(OSError):  # a file system without locks: its leftovers then look stale, as after a crash
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync(path: Path) -> None:
    """Flush a file or folder to the disk."""
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
