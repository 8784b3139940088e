"""The lines of a small file of questions, and which kind of questions they are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from kpt.errors import InputError

__all__ = ["question_kind", "read_lines"]

_LARGEST = 1 << 28


def read_lines(path: str | os.PathLike[str], what: str = "questions") -> Iterator[tuple[int, str]]:
    r"""Yield the number and the text of each line that has text and does not begin with `#`.

    Args:
        path: the file.
        what: what it has, for messages.

    Raises:
        InputError: the file is missing, cannot be read or is over 256 MiB, or a line is not UTF-8.

    Example:
        >>> _ = Path("pairs.tsv").write_text("# made by hand\n\ncat\tdog\t8\n")
        >>> list(read_lines("pairs.tsv"))
        [(3, 'cat\tdog\t8')]
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"{file} is {'a folder' if file.is_dir() else 'missing'}; give a file of {what}")
    try:
        if file.stat().st_size > _LARGEST:
            raise InputError(f"{file} is over {_LARGEST:,} bytes; give a file of {what}")
        content = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}); check the file and its permissions") from error
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"{file}, line {number} is not UTF-8; convert the file") from error
        if text.strip() and not text.startswith("#"):
            yield number, text


def question_kind(path: str | os.PathLike[str]) -> Literal["analogies", "word_pairs"]:
    """Tell from its first line with text what a file asks: analogies come in sections that begin with a colon.

    Raises:
        InputError: there is no such line, or the file cannot be read.
    """
    for _, text in read_lines(path):
        return "analogies" if text.startswith(":") else "word_pairs"
    raise InputError(f"{os.fspath(path)} has no line with text; give a file of questions")
