"""The unit that every reader yields: one document with what its file says about it."""

from __future__ import annotations

from dataclasses import dataclass


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
