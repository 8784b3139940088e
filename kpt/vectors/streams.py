"""Bytes in and out of files of vectors: gzip, one error for what cannot be read, and complete or no files."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from kpt.errors import InputError
from kpt.files import atomic_file

__all__ = ["is_gzip", "largest_size", "open_for_reading", "open_for_writing"]

_GZIP_MAGIC = b"\x1f\x8b"
_BEST_COMPRESSION = 1040  # deflate makes nothing smaller than this share
_BUFFER = 1 << 20


def is_gzip(path: Path) -> bool:
    """Tell from its first bytes whether a file is gzip."""
    with path.open("rb") as stream:
        return stream.read(2) == _GZIP_MAGIC


@contextmanager
def open_for_reading(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file, through gzip where its first bytes say so.

    Raises:
        InputError: the file is missing, cannot be read, or is damaged gzip, now or while the block reads it.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"{file} is {'a folder' if file.is_dir() else 'missing'}; give a file of vectors")
    try:
        if is_gzip(file):
            with gzip.open(file, "rb") as unpacked:
                yield cast(BinaryIO, io.BufferedReader(unpacked, _BUFFER))
        else:
            with file.open("rb", buffering=_BUFFER) as stream:
                yield stream
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{file} is damaged gzip ({error}); copy or compress it again") from error
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{file} cannot be read ({reason}); check the file and its permissions") from error


def largest_size(path: str | os.PathLike[str]) -> int:
    """Return how many bytes a file can hold at most once it is unpacked."""
    file = Path(path)
    return file.stat().st_size * (_BEST_COMPRESSION if is_gzip(file) else 1)


@contextmanager
def open_for_writing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file that appears when the block ends, through gzip where its name ends in `.gz`.

    The same content gives the same bytes: gzip's header gets neither a name nor a time.
    """
    compressed = os.fspath(path).lower().endswith(".gz")
    with atomic_file(path) as temporary, temporary.open("wb", buffering=_BUFFER) as raw:
        if not compressed:
            yield raw
            return
        with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=6) as packed:
            buffered = io.BufferedWriter(cast(io.RawIOBase, packed), _BUFFER)
            yield buffered
            buffered.flush()
