"""The binary format of word2vec: a text line with the sizes, then each word, a space, and its float32 values.

Values are little-endian. The original program writes a line feed after each vector, gensim does not; both are read, and
the former is written.
"""

from __future__ import annotations

import os
from typing import BinaryIO

import numpy as np

from kpt.errors import InputError
from kpt.vectors.rows import Rows, read_header, written_words
from kpt.vectors.streams import largest_size, open_for_reading, open_for_writing
from kpt.vectors.word_vectors import WordVectors

__all__ = ["read_binary", "write_binary"]

_CHUNK = 1 << 22
_LONGEST_HEADER = 64
_LONGEST_WORD = 1 << 16
_FASTTEXT_MODEL = (793712314).to_bytes(4, "little")


def read_binary(path: str | os.PathLike[str]) -> WordVectors:
    """Read a binary file of vectors, a few MiB at a time.

    Args:
        path: the file, gzip or not.

    Raises:
        InputError: the file does not begin with its sizes, ends before its last word or goes on after it, or a value
            is not finite.
    """
    source = os.fspath(path)
    with open_for_reading(path) as stream:
        words, dimensions = _sizes(stream.readline(_LONGEST_HEADER), source)
        if words * (4 * dimensions + 2) > largest_size(path):
            raise InputError(
                f"{source} is too small for the {words} words of {dimensions} values that its first line states; "
                "copy it again"
            )
        rows = Rows(source, dimensions, words)
        data, at, width = b"", 0, 4 * dimensions
        while rows.read < words:
            space = data.find(b" ", at)
            if space < 0 or len(data) - space <= width:
                data, at = _more(stream, data[at:], rows), 0
                continue
            vector = np.frombuffer(data, "<f4", dimensions, space + 1)
            rows.add(data[at:space].lstrip(b"\n"), vector)
            at = space + 1 + width
        if data[at:].strip(b"\n") or stream.read(_CHUNK).strip(b"\n"):
            raise InputError(
                f"{source} goes on after the {words} words of {dimensions} values that its first line states; "
                "copy it again or mend the line"
            )
    return rows.finish()


def write_binary(vectors: WordVectors, path: str | os.PathLike[str], *, space: str | None = None) -> None:
    """Write word2vec's binary format, gzip if the name ends in `.gz`, complete or not at all.

    Args:
        vectors: what to write, in its order; counts have no place in this format.
        path: the file; one that is there is replaced.
        space: what to write for white space in words, such as "_"; None refuses words that have some.

    Raises:
        InputError: see `kpt.vectors.rows.written_words`, or the folder cannot be written.
    """
    words = written_words(vectors, space)
    with open_for_writing(path) as stream:
        stream.write(b"%d %d\n" % (len(vectors), vectors.dimensions))
        for word, vector in zip(words, vectors.vectors, strict=True):
            stream.write(b"%b %b\n" % (word, vector.astype("<f4", copy=False).tobytes()))


def _sizes(line: bytes, source: str) -> tuple[int, int]:
    header = read_header(line)
    if line.startswith(_FASTTEXT_MODEL):
        raise InputError(f"{source} is a model of fastText, not a file of vectors; give the .vec file beside it")
    if line.startswith(b"\x80"):
        raise InputError(
            f"{source} is a pickle, which may run code; write word2vec's format, as gensim can, and give that"
        )
    if header is None or min(header) < 1:
        raise InputError(f"{source} does not begin with the numbers of its words and values; give a file of vectors")
    return header


def _more(stream: BinaryIO, rest: bytes, rows: Rows) -> bytes:
    """The bytes that are left and the next ones."""
    if b" " not in rest and len(rest) > _LONGEST_WORD:
        raise InputError(f"{rows.source}: word {rows.read + 1} has over {_LONGEST_WORD:,} bytes; the file is damaged")
    chunk = stream.read(_CHUNK)
    if not chunk:
        raise InputError(
            f"{rows.source} ends after {rows.read} of the {rows.count} words that its first line states; "
            "copy it again or mend the line"
        )
    return rest + chunk
