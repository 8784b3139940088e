r"""Bytes of a file to blocks of clean text: gzip, UTF-8, byte order mark, NUL and line ends are settled here.

The rules, which hold for every kind of file:

- A file that begins with gzip's two bytes is decompressed, whatever its name.
- Text is UTF-8. Each invalid sequence becomes one U+FFFD and is counted as ``invalid_utf8``; a file whose beginning is
  mostly invalid, or that begins with a byte order mark of UTF-16, is refused. A UTF-8 byte order mark is dropped.
- NUL characters are removed and counted as ``nul``.
- ``"\r\n"``, ``"\r"`` and ``"\n"`` each end a line and become ``"\n"``. Nothing else ends a line.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from kpt.errors import InputError
from kpt.text.sources import SourceFile
from kpt.urls import open_stream, unreadable

#: Bytes read at a time; memory in use is a small multiple of it.
BLOCK_BYTES = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
#: A beginning with more replaced characters than this, and a larger share of them, is no UTF-8 text.
_MOST_INVALID, _MOST_INVALID_SHARE = 16, 0.3


def is_compressed(path: SourceFile) -> bool:
    """Tell from its first bytes whether a file is gzip.

    Raises:
        InputError: The file cannot be opened, or it is named ``.gz`` and is not gzip.
    """
    try:
        with open_stream(path) as stream:
            beginning = stream.read(2)
    except OSError as error:
        raise unreadable(path, error) from error
    if beginning == _GZIP_MAGIC:
        return True
    if beginning and path.name.lower().endswith(".gz"):
        raise InputError(f"{path} is named .gz but is not gzip; rename it or compress it again")
    return False


def read_blocks(
    path: SourceFile,
    start: int = 0,
    end: int | None = None,
    *,
    problems: Counter[str],
    advance: Callable[[int], None] = lambda count: None,
) -> Iterator[str]:
    r"""Yield the text of a file in blocks of about one MiB, by the rules of this module.

    Args:
        path: The file.
        start: The byte at which to begin, 0 for a compressed file or one at a URL; it must be the first byte of
            a line.
        end: The byte before which to stop, the first of a line too; None reads to the end.
        problems: Receives the counts ``invalid_utf8`` and ``nul``.
        advance: Called after each block with the number of bytes (of the file as it lies on the disk) consumed by it.

    Yields:
        Blocks that concatenate to the whole text. They may end anywhere, except between ``"\r"`` and ``"\n"``.

    Raises:
        InputError: The file cannot be read, is damaged gzip, or is not UTF-8 text.

    Example:
        >>> _ = Path("a.txt").write_bytes(b"one\r\ntwo\xff\n")
        >>> problems = Counter()
        >>> "".join(read_blocks(Path("a.txt"), problems=problems)), problems["invalid_utf8"]
        ('one\ntwo\ufffd\n', 1)
    """
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    pending, at, final = b"", start, False
    with _open(path, start) as (stream, raw):
        consumed = start
        while not final:
            read = _read(stream, BLOCK_BYTES if end is None else min(BLOCK_BYTES, end - at), path)
            final = not read
            data = pending + (_check_beginning(read, path) if at == 0 else read)
            at += len(read)
            text, pending = _decode(data, final, problems)
            text = newlines.decode(text, final)
            if raw.tell() > consumed:
                advance(raw.tell() - consumed)
                consumed = raw.tell()
            if text:
                yield text


def stream_blocks(stream: BinaryIO, name: str, *, problems: Counter[str]) -> Iterator[str]:
    r"""Yield the text of an open stream, such as standard input, as it comes, by the rules of this module but for gzip.

    Args:
        stream: What is read; with `read1` it need not wait for a whole block.
        name: What an error calls it.
        problems: Receives the counts ``invalid_utf8`` and ``nul``.

    Raises:
        InputError: It is not UTF-8 text.

    Example:
        >>> list(stream_blocks(io.BytesIO(b"one\r\ntwo"), "input", problems=Counter()))
        ['one\ntwo']
    """
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
    pending, first, final = b"", True, False
    while not final:
        data = read(BLOCK_BYTES)
        final = not data
        text, pending = _decode(pending + (_check_beginning(data, Path(name)) if first else data), final, problems)
        first = False
        if text := newlines.decode(text, final):
            yield text


def read_beginning(path: SourceFile) -> str:
    """Read the first block of a file, without counting its problems."""
    return next(read_blocks(path, problems=Counter()), "")


def _decode(data: bytes, final: bool, problems: Counter[str]) -> tuple[str, bytes]:
    try:
        text, used = codecs.utf_8_decode(data, "strict", final)
    except UnicodeDecodeError:
        text, used = codecs.utf_8_decode(data, "replace", final)
        problems["invalid_utf8"] += text.count("\ufffd") - data[:used].count(b"\xef\xbf\xbd")
    if "\0" in text:
        problems["nul"] += text.count("\0")
        text = text.replace("\0", "")
    return text, data[used:]


def _check_beginning(data: bytes, path: SourceFile) -> bytes:
    if data.startswith(_UTF_16_MARKS):
        raise InputError(f"{path} is UTF-16; convert it to UTF-8 first")
    counts: Counter[str] = Counter()
    sample, _ = _decode(data[:65536], False, counts)
    invalid = counts["invalid_utf8"]
    if invalid > _MOST_INVALID and invalid > _MOST_INVALID_SHARE * len(sample):
        raise InputError(
            f"{path} is not UTF-8 text ({invalid} invalid of the first {len(sample)} characters); convert it"
        )
    return data.removeprefix(codecs.BOM_UTF8)


@contextmanager
def _open(path: SourceFile, start: int) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Open a file; the second stream tells how far the file on the disk is read."""
    compressed = is_compressed(path)
    try:
        raw = open_stream(path)
    except OSError as error:
        raise unreadable(path, error) from error
    with raw:
        if compressed:
            with gzip.GzipFile(fileobj=raw) as stream:
                yield cast(BinaryIO, stream), raw
        else:
            if start:
                raw.seek(start)
            yield raw, raw


def _read(stream: BinaryIO, count: int, path: SourceFile) -> bytes:
    try:
        return stream.read(count)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path} is damaged gzip ({error}); copy or compress it again") from error
    except OSError as error:
        raise unreadable(path, error) from error
