"""Texts one after the other, from a file or a stream of any size: what a tuned model is asked about."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from kpt.text.blocks import read_blocks, stream_blocks
from kpt.text.records import jsonl_records, lines_of, settle, table_records, text_of
from kpt.text.sources import Kind, file_kind, find_files

__all__ = ["STANDARD_INPUT", "TextRecord", "read_text_records"]

#: The name that stands for standard input.
STANDARD_INPUT = "-"


class TextRecord(NamedTuple):
    """A text, or a pair of texts.

    Attributes:
        texts: the text, or both texts.
        record: all fields of its record; of a line of plain text, the field of the text alone.
        place: the file and the line.
    """

    texts: tuple[str, ...]
    record: dict[str, Any]
    place: str


def read_text_records(
    file: str | Path,
    *,
    text_field: str = "text",
    pair_field: str | None = None,
    kind: Kind | None = None,
    problems: Counter[str] | None = None,
) -> Iterator[TextRecord]:
    r"""Yield the texts of a file in their order, each record once, in little memory.

    A line of plain text is a text, an empty line an empty text. A record of jsonl, csv or tsv is one too, whatever its
    text; what counts as a record is in `kpt.text.records`.

    Args:
        file: a path, or ``-`` for standard input.
        text_field: the field of the text.
        pair_field: the field of the second text, where texts come in pairs.
        kind: of the file; by default what its name says, and plain text for standard input.
        problems: receives the counts of what was settled, and ``empty``, that of texts with nothing in them.

    Raises:
        InputError: the file is missing or damaged, a record lacks a field, or the text is plain and pairs are wanted.
            The message has the file and the line.

    Example:
        >>> _ = Path("a.txt").write_text("It rained.\nThe street was wet.\n")
        >>> [record.texts for record in read_text_records("a.txt")]
        [('It rained.',), ('The street was wet.',)]
    """
    problems = Counter() if problems is None else problems
    names = [text_field] if pair_field is None else [text_field, pair_field]
    if str(file) == STANDARD_INPUT:
        source, found = "standard input", kind or "text"
        blocks = stream_blocks(sys.stdin.buffer, source, problems=problems)
    else:
        (path,) = find_files(file)
        source, found = str(path), kind or file_kind(path)
        blocks = read_blocks(path, problems=problems)
    for line, record, escaped in _records(blocks, source, found, names):
        place = f"{source}, line {line}"
        texts = tuple(text_of(record, name, place) for name in names)
        if escaped:
            texts = tuple(settle(text, problems) for text in texts)
        problems["empty"] += any(not text or text.isspace() for text in texts)
        yield TextRecord(texts, record, place)


def _records(
    blocks: Iterator[str], source: str, kind: Kind, names: list[str]
) -> Iterator[tuple[int, dict[str, Any], bool]]:
    if kind == "text":
        for line, text in enumerate(lines_of(blocks, source, 1), 1):
            yield line, {names[0]: text}, False
    elif kind == "jsonl":
        yield from jsonl_records(blocks, source)
    else:
        for line, fields in table_records(blocks, source, "," if kind == "csv" else "\t", names):
            yield line, fields, False
