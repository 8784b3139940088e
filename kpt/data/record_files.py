"""TFRecord files read by the number of the record."""

from __future__ import annotations

import gzip
import hashlib
import mmap
import tempfile
import zlib
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import numpy as np

from kpt.data.progress import OpenProgress
from kpt.data.tfrecord import HEADER_BYTES, is_header, record_at, record_offsets
from kpt.errors import InputError
from kpt.text.sources import Files, SourceFile, find_files
from kpt.urls import open_stream, size_of, unreadable

__all__ = ["RECORD_ENDINGS", "RecordFiles"]

#: What a folder is searched for; each also with .gz.
RECORD_ENDINGS = (".tfrecord", ".tfrecords", ".tf_record", ".tfrec")
_GZIP_MAGIC = b"\x1f\x8b"
_COPIED_AT_A_TIME = 1 << 20
_OPEN_FILES = 128


class _Part(NamedTuple):
    """A file and where its bytes are: its own, or from `begin` on in the copy of what cannot be read at any place."""

    name: str
    path: Path | None
    begin: int
    end: int
    offsets: np.ndarray


class RecordFiles:
    """The records of TFRecord files, by their numbers.

    All files are read once at the beginning, and each record's checksums are compared then and whenever it is read.
    In memory are eight bytes a record. A file that is gzip, whatever its name, or is at a URL, is copied uncompressed
    to a temporary file without a name, as it streams in; it is gone with the process.

    Args:
        files: paths, URLs, glob patterns or folders (`kpt.text.sources.find_files`).
        progress: whether to show on standard error how far it is with reading them at the beginning; None: on a
            terminal alone.

    Attributes:
        names: the files.
        counts: the records of each.

    Raises:
        InputError: a file is missing, cannot be read, is cut off or damaged, which names the record and its byte; or
            there is no record.

    Example:
        >>> from kpt.data.tfrecord import frame
        >>> _ = Path("a.tfrecord").write_bytes(frame(b"one") + frame(b"two"))
        >>> records = RecordFiles("*.tfrecord")
        >>> len(records), records[1], records.place(1)
        (2, b'two', 'a.tfrecord, record 2 at byte 19')
    """

    def __init__(self, files: Files, *, progress: bool | None = False) -> None:
        self._copy: BinaryIO | None = None
        self._parts: list[_Part] = []
        found = find_files(files, RECORD_ENDINGS)
        sizes = [size_of(file) for file in found]
        done = 0
        with OpenProgress(progress, sum(sizes)) as display:
            for file, size in zip(found, sizes, strict=True):
                self._parts.append(self._local(file) or self._copied(file, partial(display.update, done)))
                done += size
                display.update(done)
        self.names = tuple(part.name for part in self._parts)
        self.counts = tuple(len(part.offsets) for part in self._parts)
        self._ends = np.cumsum(self.counts)
        if not len(self):
            raise InputError(f"there is no record in {', '.join(self.names[:3])}; give files with some")
        self._mapped = lru_cache(_OPEN_FILES)(self._map)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, number: int) -> bytes:
        """Return a record's bytes.

        Raises:
            IndexError: there is no such record.
            InputError: it has been damaged since the file was opened.
        """
        part, offset = self._find(number)
        try:
            return record_at(self._mapped(part.path), offset, part.end)
        except (OSError, ValueError) as error:
            raise InputError(f"{self.place(number)}: {error}; it was whole when the file was opened") from error

    def place(self, number: int) -> str:
        """Return where a record is, for messages: the file, which of its records, and the byte where it begins."""
        part, offset = self._find(number)
        index = number - int(self._ends[self._parts.index(part)]) + len(part.offsets)
        return f"{part.name}, record {index + 1} at byte {offset - part.begin}"

    def fingerprint(self) -> str:
        """Return a digest of all records in their order, the same wherever and however compressed the files are."""
        digest = hashlib.sha256()
        for part in self._parts:
            if part.end > part.begin:
                with memoryview(self._mapped(part.path)) as data:
                    digest.update(data[part.begin : part.end])
        return digest.hexdigest()

    def _find(self, number: int) -> tuple[_Part, int]:
        if not 0 <= number < len(self):
            raise IndexError(f"record {number} is not below {len(self)}")
        index = int(np.searchsorted(self._ends, number, side="right"))
        part = self._parts[index]
        return part, int(part.offsets[number - int(self._ends[index])])  # counted from the end of the file

    def _local(self, file: SourceFile) -> _Part | None:
        """Read a plain file here; None where it is another."""
        if not isinstance(file, Path):
            return None
        try:
            size = file.stat().st_size
            if not size:
                return _Part(str(file), file, 0, 0, np.zeros(0, np.int64))
            with file.open("rb") as stream:
                if _is_gzip(stream.read(HEADER_BYTES)):
                    return None
                with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
                    return _Part(str(file), file, 0, size, record_offsets(data, 0, size, str(file)))
        except OSError as error:
            raise unreadable(file, error) from error

    def _copied(self, file: SourceFile, advance: Callable[[int], None]) -> _Part:
        """Copy a file that is gzip or elsewhere to the temporary file, and read it there; say how far it is."""
        if self._copy is None:
            self._copy = cast(BinaryIO, tempfile.TemporaryFile(prefix="kpt-records-"))  # noqa: SIM115
        begin = self._copy.seek(0, 2)
        damage = ""
        try:
            with open_stream(file) as stream:
                head = stream.read(HEADER_BYTES)
            with open_stream(file) as stream:
                # read1 gives all that comes before damage, so that the damaged record is known.
                read = gzip.GzipFile(fileobj=stream).read1 if _is_gzip(head) else stream.read
                while data := read(_COPIED_AT_A_TIME):
                    self._copy.write(data)
                    advance(stream.tell())
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            damage = f"damaged gzip ({error})"
        except OSError as error:
            raise unreadable(file, error) from error
        self._copy.flush()
        end = self._copy.seek(0, 2)
        if begin == end:
            return _Part(str(file), None, begin, end, record_offsets(b"", 0, 0, str(file), damage))
        with mmap.mmap(self._copy.fileno(), 0, access=mmap.ACCESS_READ) as copied:
            return _Part(str(file), None, begin, end, record_offsets(copied, begin, end, str(file), damage))

    def _map(self, path: Path | None) -> mmap.mmap:
        if path is None:
            assert self._copy is not None
            return mmap.mmap(self._copy.fileno(), 0, access=mmap.ACCESS_READ)
        with path.open("rb") as stream:
            return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)


def _is_gzip(head: bytes) -> bool:
    """Whether a file that begins so is gzip; a record of a certain length begins like it, but has its checksum."""
    return head.startswith(_GZIP_MAGIC) and not is_header(head)
