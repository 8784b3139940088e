r"""The text format of word2vec, of fastText's `.vec` and of GloVe: a word and its numbers a line.

::

    3 2
    cat 1 0
    dog 0.9 0.1
    car 0 1

The first line has the numbers of words and of dimensions; GloVe's files lack it. Each other line is a word, a space,
and the numbers between spaces. Numbers are written with nine digits, from which float32 is read back exactly.
"""

from __future__ import annotations

import os
import warnings
from typing import BinaryIO

import numpy as np

from kpt.errors import InputError
from kpt.vectors.rows import Rows, read_header, written_words
from kpt.vectors.streams import largest_size, open_for_reading, open_for_writing
from kpt.vectors.word_vectors import WordVectors

__all__ = ["parse_row", "read_text", "write_text"]

_LONGEST_LINE = 1 << 24


def read_text(path: str | os.PathLike[str]) -> WordVectors:
    r"""Read a text file of vectors, line by line.

    Args:
        path: the file, gzip or not.

    Raises:
        InputError: the file has more or fewer words than its first line says, a line has another number of values than
            the first (as where a word has a space in it), a value is no finite number, the last line has no line end
            (so that a number that was cut off is not read as another), or the file cannot be read.

    Example:
        >>> import pathlib
        >>> _ = pathlib.Path("a.vec").write_bytes(b"2 2\ncat 1 0\ncar 0 1\n")
        >>> read_text("a.vec")
        WordVectors(2 words, 2 dimensions)
    """
    source = os.fspath(path)
    with open_for_reading(path) as stream, warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # so older numpy says that a text is no number
        first = _line(stream, source, 1)
        header = read_header(first)
        if header is None:
            rows, line = Rows(source, len(parse_row(first, None, f"{source}, line 1")[1]), None), 1
            _take(rows, first, f"{source}, line 1")
        else:
            rows, line = Rows(source, *_check_header(header, source, largest_size(path))), 1
        while rows.read != rows.count:
            content = _line(stream, source, line + 1)
            if not content.strip():
                break
            line += 1
            _take(rows, content, f"{source}, line {line}")
        if header is not None and rows.read < header[0]:
            raise InputError(
                f"{source} ends after {rows.read} of the {header[0]} words that its first line states; "
                "copy it again or mend the line"
            )
        while content := stream.read(1 << 16):
            if content.strip():
                more = "after an empty line" if header is None else f"after the {header[0]} words of its first line"
                raise InputError(f"{source} goes on {more} (line {line + 1}); mend the file")
    return rows.finish()


def write_text(vectors: WordVectors, path: str | os.PathLike[str], *, space: str | None = None) -> None:
    """Write word2vec's text format, gzip if the name ends in `.gz`, complete or not at all.

    Args:
        vectors: what to write, in its order; counts have no place in this format.
        path: the file; one that is there is replaced.
        space: what to write for white space in words, such as "_"; None refuses words that have some.

    Raises:
        InputError: see `kpt.vectors.rows.written_words`, or the folder cannot be written.
    """
    row_format = b"%b " + b" ".join([b"%.9g"] * vectors.dimensions) + b"\n"
    words = written_words(vectors, space)
    with open_for_writing(path) as stream:
        stream.write(b"%d %d\n" % (len(vectors), vectors.dimensions))
        for word, vector in zip(words, vectors.vectors, strict=True):
            stream.write(row_format % (word, *vector.tolist()))


def parse_row(line: bytes, dimensions: int | None, where: str) -> tuple[bytes, np.ndarray]:
    """Return the word of a line and its values, float32 [d].

    Raises:
        InputError: there are not `dimensions` values (or none), or one is no number.
    """
    word, _, rest = line.rstrip(b"\r\n\t ").partition(b" ")
    try:
        values = np.fromstring(rest, np.float32, sep=" ")
    except (ValueError, DeprecationWarning):
        values = None
    fields = len(rest.split()) if values is None else len(values)
    if dimensions is not None and fields != dimensions:
        raise InputError(
            f"{where}: the word {_shown(word)} has {fields} values and not {dimensions}; mend the line "
            "(a word with a space looks like this too)"
        )
    if values is None or not fields:
        raise InputError(f"{where}: the word {_shown(word)} has a value that is no number; give a file of vectors")
    return word, values


def _take(rows: Rows, line: bytes, where: str) -> None:
    rows.add(*parse_row(line, rows.dimensions, where))


def _shown(word: bytes) -> str:
    return repr(word.decode("utf-8", "replace")[:40])


def _line(stream: BinaryIO, source: str, number: int) -> bytes:
    line = stream.readline(_LONGEST_LINE)
    if len(line) == _LONGEST_LINE:
        raise InputError(f"{source}, line {number} is longer than {_LONGEST_LINE:,} bytes; give a file of vectors")
    if line.strip() and not line.endswith(b"\n"):  # what is left of its last number would be read as another number
        raise InputError(
            f"{source}, line {number} has no line end, as where a file was cut off; copy it again or end it"
        )
    return line


def _check_header(header: tuple[int, int], source: str, size: int) -> tuple[int, int]:
    """The dimensions and the count of words, if the file is large enough for them."""
    words, dimensions = header
    if words < 1 or dimensions < 1:
        raise InputError(f"{source}, line 1 states {words} words of {dimensions} values; give a file with vectors")
    if words * (2 * dimensions + 1) > size:
        raise InputError(
            f"{source} is too small for the {words} words of {dimensions} values that its first line states; "
            "copy it again or mend the line"
        )
    return dimensions, words
