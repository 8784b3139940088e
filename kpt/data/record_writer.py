"""Writing TFRecord files."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any, BinaryIO, cast

from kpt.data.tfrecord import frame
from kpt.data.writer import hash_file
from kpt.errors import InputError

__all__ = ["COMPRESSIONS", "MOST_SHARDS", "RecordWriter"]

COMPRESSIONS = ("none", "gzip")
#: All are open at a time.
MOST_SHARDS = 512


class RecordWriter:
    """Writes records to shards in turn: record n goes to shard n modulo their number.

    So each shard has a sample of all records. The files are called `NAME-00000-of-00004.tfrecord`, with `.gz` if they
    are compressed; the same records give the same bytes.

    Args:
        folder: an empty folder, best the temporary one of `kpt.files.atomic_folder`.
        name: what the files' names begin with.
        shards: number of files, from 1 to 512.
        compression: `"none"` or `"gzip"`.

    Raises:
        InputError: there is no such compression, or the number of shards is out of its range.

    Example:
        >>> writer = RecordWriter(Path("."), "train", shards=2)
        >>> for text in (b"one", b"two", b"three"):
        ...     writer.write(text)
        >>> [(entry["file"], entry["records"], entry["bytes"]) for entry in writer.finish()]
        [('train-00000-of-00002.tfrecord', 2, 40), ('train-00001-of-00002.tfrecord', 1, 19)]
    """

    def __init__(self, folder: Path, name: str, shards: int, compression: str = "none") -> None:
        if compression not in COMPRESSIONS:
            raise InputError(f"the compression is {compression!r}; choose one of {', '.join(COMPRESSIONS)}")
        if not 1 <= shards <= MOST_SHARDS:
            raise InputError(f"the number of shards is {shards}; give one from 1 to {MOST_SHARDS}")
        compressed = compression == "gzip"
        ending = ".tfrecord.gz" if compressed else ".tfrecord"
        self.records = 0
        self._paths = [folder / f"{name}-{index:05d}-of-{shards:05d}{ending}" for index in range(shards)]
        self._files: list[BinaryIO] = [path.open("wb") for path in self._paths]
        self._streams = [_compressed(file) for file in self._files] if compressed else self._files

    def write(self, payload: bytes) -> None:
        """Append a record."""
        self._streams[self.records % len(self._streams)].write(frame(payload))
        self.records += 1

    def finish(self) -> list[dict[str, Any]]:
        """Close the files; return each one's `file`, `records`, `bytes` and `sha256`."""
        self.close()
        shards = len(self._paths)
        return [
            {
                "file": path.name,
                "records": (self.records + shards - 1 - index) // shards,
                "bytes": path.stat().st_size,
                "sha256": hash_file(path),
            }
            for index, path in enumerate(self._paths)
        ]

    def close(self) -> None:
        """Close the files, of a work that is given up too."""
        for stream in [*self._streams, *self._files]:
            stream.close()


def _compressed(file: BinaryIO) -> BinaryIO:
    """A gzip stream that has neither a name nor a time in it."""
    return cast(BinaryIO, gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0))
