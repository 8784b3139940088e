"""The unit that every reader yields: one document with what its file says about it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from kpt.errors import InputError


@dataclass(frozen=True, slots=True)
class Document:
    r"""One document of a corpus.

    Attributes:
        text: The text; its line ends are ``"\n"`` and it holds no NUL character.
        label: The class of the document, where its file names one.
        id: The document's own name, where its file names one.
        source: The file it was read from.
        position: Where it begins in that file: the line, or in csv files the line of the record, counted from 1;
            None where only a part of the file was read (see `Corpus.shard`).

    Example:
        >>> Document("He left.", label="past").label
        'past'
    """

    text: str
    label: str | None = None
    id: str | None = None
    source: str | None = None
    position: int | None = None


def refuse_one_string(corpus: object) -> None:
    """Refuse a string or a path where documents are expected: iterating over it would give its characters.

    Raises:
        InputError: `corpus` is a string or a path.
    """
    if isinstance(corpus, str | bytes | os.PathLike):
        short = repr(corpus[:40] if isinstance(corpus, str | bytes) else os.fspath(corpus))
        raise InputError(f"the corpus is one string or path, {short}; wrap files in kpt.Corpus(...), or pass [text]")
