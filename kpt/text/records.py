r"""Documents from files of records: JSON lines, csv and tsv.

- **jsonl**: one JSON object a line. Lines of nothing but white space are passed over.
- **csv**: comma separated with ``"`` as the quote (RFC 4180), the names of the fields in the first record. Empty lines
  are passed over.
- **tsv**: the same with tabs and without quoting, so that a ``"`` is a character like any other.

A text field that is empty or white space is counted as ``empty`` and gives no document. In text that came through an
escape (``\u0000``, ``\ud800``, ``\r\n``) NUL is removed (``nul``), each lone surrogate becomes U+FFFD
(``lone_surrogate``), and line ends become ``"\n"``. Everything else that does not fit is an error with its line:
nothing is guessed and nothing is dropped in silence.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kpt.errors import InputError
from kpt.text.document import Document

#: The most characters of one record; it has to be in memory as a whole.
MAXIMUM_RECORD = 1 << 26
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Fields:
    """The names of the fields that hold a document's text and, where present, its label and its id."""

    text: str = "text"
    label: str = "label"
    id: str = "id"


def read_jsonl(
    blocks: Iterable[str], source: str, fields: Fields, problems: Counter[str], first_line: int = 1
) -> Iterator[Document]:
    r"""Read documents from JSON lines.

    Args:
        blocks: The file's text in pieces of any size.
        source: The file's name, for the documents and for messages.
        fields: Which fields hold what. A label or id may be a string, a number or a boolean, or be absent.
        problems: Receives the counts ``empty``, ``nul`` and ``lone_surrogate``.
        first_line: The number of the first line.

    Raises:
        InputError: A line is no JSON object, lacks the text field, holds a value of another type, or is too long.

    Example:
        >>> blocks = ['{"text": "It rained.", "label": 1}\n']
        >>> next(read_jsonl(blocks, "a.jsonl", Fields(), Counter()))
        Document(text='It rained.', label='1', id=None, source='a.jsonl', position=1)
    """
    for line, record, escaped in jsonl_records(blocks, source, first_line):
        where = f"{source}, line {line}"
        text = text_of(record, fields.text, where)
        if escaped:
            text = settle(text, problems)
        if not text or text.isspace():
            problems["empty"] += 1
            continue
        label, name = _scalar(record, fields.label, where), _scalar(record, fields.id, where)
        yield Document(text, label, name, source, line)


def jsonl_records(
    blocks: Iterable[str], source: str, first_line: int = 1
) -> Iterator[tuple[int, dict[str, Any], bool]]:
    """Yield the number of each line that has text, its object, and whether an escape is in it (see `settle`).

    Raises:
        InputError: A line is no JSON object, or is too long.
    """
    for line, content in enumerate(lines_of(blocks, source, first_line), first_line):
        if content and not content.isspace():
            yield line, parse_object(content, f"{source}, line {line}"), "\\" in content


def read_table(
    blocks: Iterable[str], source: str, fields: Fields, problems: Counter[str], separator: str
) -> Iterator[Document]:
    r"""Read documents from csv (`separator` ``","``, with quoting) or tsv (a tab, without).

    Args:
        blocks: The file's text in pieces of any size.
        source: The file's name, for the documents and for messages.
        fields: Which fields of the first record hold what; label and id may be absent.
        problems: Receives the count ``empty``.
        separator: What stands between two fields.

    Raises:
        InputError: The first record has no text field, or has a name twice; a record has another number of fields than
            the first one; a quote is not closed or stands inside a field.

    Example:
        >>> blocks = ['text,label\n"Well, it rained.",weather\n']
        >>> next(read_table(blocks, "a.csv", Fields(), Counter(), ","))
        Document(text='Well, it rained.', label='weather', id=None, source='a.csv', position=2)
    """
    for line, record in table_records(blocks, source, separator, (fields.text,)):
        text = record[fields.text]
        if not text or text.isspace():
            problems["empty"] += 1
            continue
        yield Document(text, record.get(fields.label), record.get(fields.id), source, line)


def table_records(
    blocks: Iterable[str], source: str, separator: str, needed: Sequence[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the line of each record after the first and its fields by name, see `read_table`.

    Args:
        blocks: The file's text in pieces of any size.
        source: The file's name, for messages.
        separator: What stands between two fields.
        needed: Names that the first record must have.

    Raises:
        InputError: As `read_table`.
    """
    if csv.field_size_limit() < MAXIMUM_RECORD:
        csv.field_size_limit(MAXIMUM_RECORD)
    lines = (line + "\n" for line in lines_of(blocks, source, 1))
    quoted = separator == ","
    rows = csv.reader(lines, delimiter=separator, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE, strict=True)
    header: list[str] = []
    line, following = 1, 1
    try:
        for row in rows:
            line, following = following, rows.line_num + 1
            where = f"{source}, line {line}"
            if not row:
                continue
            if not header:
                header = _check_header(row, needed, where)
                continue
            if len(row) != len(header):
                found = "1 field" if len(row) == 1 else f"{len(row)} fields"
                raise InputError(
                    f"{where}: {found} where the first record has {len(header)}; mend or remove the record"
                )
            yield line, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise InputError(f"{source}, line {following}: the record is malformed ({error}); mend its quotes") from error


def lines_of(blocks: Iterable[str], source: str, first_line: int) -> Iterator[str]:
    """Yield the lines of a text that comes in pieces of any size.

    Raises:
        InputError: A line is too long.
    """
    carry: list[str] = []
    size, line = 0, first_line
    for block in blocks:
        head, *rest = block.split("\n")
        carry.append(head)
        size += len(head)
        if size > MAXIMUM_RECORD:
            raise InputError(
                f"{source}, line {line}: the line is longer than {MAXIMUM_RECORD:,} characters; write one record a line"
            )
        if rest:
            yield "".join(carry)
            yield from rest[:-1]
            carry, size, line = rest[-1:], len(rest[-1]), line + len(rest)
    if size:
        yield "".join(carry)


def parse_object(content: str, where: str) -> dict[str, Any]:
    """Return the JSON object of a line.

    Raises:
        InputError: It has none.
    """
    try:
        record = json.loads(content)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{where}: not JSON ({error.msg} at column {error.colno}); write one JSON object a line"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: JSON that cannot be read ({error}); write one plain JSON object a line") from error
    if not isinstance(record, dict):
        raise InputError(f"{where}: JSON, but no object; write one JSON object a line")
    return record


def text_of(record: dict[str, Any], name: str, where: str) -> str:
    """Return the text in a field of a JSON object.

    Raises:
        InputError: There is no such field, or it holds something else.
    """
    if name not in record:
        names = ", ".join(map(repr, list(record)[:8])) or "none"
        raise InputError(f"{where}: no field {name!r} (fields: {names}); name the field that holds the text")
    text = record[name]
    if not isinstance(text, str):
        raise InputError(f"{where}: field {name!r} is {type(text).__name__}, not a string; mend the record")
    return text


def _scalar(record: dict[str, Any], name: str, where: str) -> str | None:
    value = record.get(name)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return str(value)
    raise InputError(f"{where}: field {name!r} is {type(value).__name__}, not a string or a number; mend the record")


def settle(text: str, problems: Counter[str]) -> str:
    """Return the text of a string with escapes by the rules of this module, and count what they settled."""
    if "\0" in text:
        problems["nul"] += text.count("\0")
        text = text.replace("\0", "")
    text, surrogates = _LONE_SURROGATE.subn("\ufffd", text)
    if surrogates:
        problems["lone_surrogate"] += surrogates
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _check_header(row: list[str], needed: Sequence[str], where: str) -> list[str]:
    for name in needed:
        if name not in row:
            names = ", ".join(map(repr, row[:8]))
            what = "text" if name == needed[0] else "label or the second text"
            raise InputError(f"{where}: no field {name!r} (fields: {names}); name the field that holds the {what}")
    repeated = [name for name in row if row.count(name) > 1]
    if repeated:
        raise InputError(f"{where}: field {repeated[0]!r} is named twice; give each field its own name")
    return row
