r"""Texts with labels, from files of records: what a model is fine-tuned on.

The files are jsonl, csv and tsv (`kpt.text.records`), gzip of these too. A label is a string, or a number or a boolean,
which is read as its text. Several labels of one text are a list in jsonl, and in csv and tsv are joined by ``|``; no
label is an empty list or field. Nothing is left out: a record without a text or without a label is an error with its
line.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from kpt.errors import InputError
from kpt.text.blocks import read_blocks
from kpt.text.records import jsonl_records, settle, table_records, text_of
from kpt.text.sources import Files, SourceFile, file_kind, find_files

__all__ = ["LabelKind", "LabelledTexts", "label_ids", "label_names", "read_labelled"]

LabelKind = Literal["single", "several", "number"]

#: What joins several labels in a field of csv and tsv.
JOINT = "|"


@dataclass(frozen=True)
class LabelledTexts:
    """Texts and what is to be told of them.

    Attributes:
        texts: the texts.
        pairs: the second text of each where they come in pairs, or None.
        labels: for each text a label, a tuple of labels or a number.
        places: for each text the file and the line of its record.
        problems: counts of what was settled in the files (`kpt.text.records`).
    """

    texts: list[str]
    pairs: list[str] | None
    labels: list[Any]
    places: list[str]
    problems: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        """Return the number of texts, or of pairs."""
        return len(self.texts)


def read_labelled(
    files: Files,
    *,
    text_field: str = "text",
    pair_field: str | None = None,
    label_field: str = "label",
    labels: LabelKind = "single",
) -> LabelledTexts:
    r"""Read all records of files of labelled texts.

    Args:
        files: a path, a glob pattern or a folder, or several of them.
        text_field: the field of the text.
        pair_field: the field of the second text, where texts come in pairs.
        label_field: the field of the label.
        labels: what a label is: `"single"`, `"several"` of them, or a `"number"`.

    Raises:
        InputError: a file is missing, damaged or of a kind without labels, or a record lacks a field, has an empty text
            or no label, or its label is not of the kind. The message has the file and the line.

    Example:
        >>> from pathlib import Path
        >>> _ = Path("a.tsv").write_text("text\tlabel\nIt rained.\tweather\n")
        >>> read_labelled("a.tsv").labels
        ['weather']
    """
    problems: Counter[str] = Counter()
    data = LabelledTexts([], None if pair_field is None else [], [], [], problems)
    names = [text_field, *([] if pair_field is None else [pair_field])]
    for path in find_files(files):
        before = len(data)
        for line, record, escaped in _records(path, (*names, label_field), problems):
            where = f"{path}, line {line}"
            texts = [text_of(record, name, where) for name in names]
            for name, text in zip(names, texts, strict=True):
                if not text or text.isspace():
                    raise InputError(f"{where}: the field {name!r} is empty; give it a text or remove the record")
            if escaped:
                texts = [settle(text, problems) for text in texts]
            if label_field not in record:
                have = ", ".join(map(repr, list(record)[:8]))
                raise InputError(f"{where}: no field {label_field!r} (fields: {have}); name the field of the label")
            data.labels.append(_label(record[label_field], labels, f"{where}: the label in {label_field!r}"))
            data.texts.append(texts[0])
            if data.pairs is not None:
                data.pairs.append(texts[1])
            data.places.append(where)
        if len(data) == before:
            raise InputError(f"{path} has no record; give a file with texts and labels")
    return data


def label_names(labels: Sequence[Any]) -> tuple[str, ...]:
    """Return the distinct labels in the order of their numbers, if all are whole ones, else of the alphabet.

    Args:
        labels: for each text a label or a tuple of labels.

    Raises:
        InputError: there are fewer than two.

    Example:
        >>> label_names(["10", "9", "10"]), label_names([("b",), ("a", "b"), ()])
        (('9', '10'), ('a', 'b'))
    """
    distinct = {label for one in labels for label in ((one,) if isinstance(one, str) else one)}
    if len(distinct) < 2:
        only = f"only the label {distinct.pop()!r}" if distinct else "no label"
        raise InputError(f"there is {only} in {len(labels):,} texts; a classifier needs two or more to tell apart")
    whole = all(label.removeprefix("-").isascii() and label.removeprefix("-").isdigit() for label in distinct)
    return tuple(sorted(distinct, key=int) if whole else sorted(distinct))


def label_ids(
    labels: Sequence[Any], names: Sequence[str], several: bool = False, places: Sequence[str] | None = None
) -> np.ndarray:
    """Return labels as a model is trained on them.

    Args:
        labels: for each text a label, or several of them.
        names: the labels that there are.
        several: whether a text has several.
        places: where each of them stands, for messages.

    Returns:
        int32 [texts], the numbers of the labels; or float32 [texts, names], 1 where a text has the label.

    Raises:
        InputError: a label is not among the names, or is no string.

    Example:
        >>> label_ids(["no", "yes"], ["no", "yes"]).tolist()
        [0, 1]
        >>> label_ids([["yes", "no"], []], ["no", "yes"], several=True).tolist()
        [[1.0, 1.0], [0.0, 0.0]]
    """
    numbers = {name: number for number, name in enumerate(names)}

    def number_of(label: Any, row: int) -> int:
        found = numbers.get(label) if isinstance(label, str) else None
        if found is None:
            known = ", ".join(map(repr, names[:8])) + (" ..." if len(names) > 8 else "")
            where = places[row] if places else f"text {row}"
            raise InputError(f"{where}: the label {label!r} is not among those of the training ({known}); mend it")
        return found

    if not several:
        return np.array([number_of(label, row) for row, label in enumerate(labels)], np.int32)
    result = np.zeros((len(labels), len(names)), np.float32)
    for row, some in enumerate(labels):
        if isinstance(some, str):
            raise InputError(f"text {row} has one label, {some!r}, where a list of them is expected; pass [label]")
        for label in some:
            result[row, number_of(label, row)] = 1
    return result


def _records(
    path: SourceFile, needed: Sequence[str], problems: Counter[str]
) -> Iterator[tuple[int, dict[str, Any], bool]]:
    kind = file_kind(path)
    if kind == "text":
        raise InputError(f"{path} is plain text, which has no labels; give a .jsonl, .csv or .tsv file")
    blocks = read_blocks(path, problems=problems)
    if kind == "jsonl":
        yield from jsonl_records(blocks, str(path))
    else:
        for line, record in table_records(blocks, str(path), "," if kind == "csv" else "\t", needed):
            yield line, record, False


def _label(value: Any, kind: LabelKind, what: str) -> Any:
    if kind == "several":
        if isinstance(value, str):
            value = [part.strip() for part in value.split(JOINT)] if value.strip() else []
        if not isinstance(value, list):
            raise InputError(f"{what} is {type(value).__name__}, not a list; give a list of labels")
        return tuple(_single(each, what) for each in value)
    if kind == "number":
        try:
            number = float(value) if isinstance(value, str | int | float) and value is not True else math.nan
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise InputError(f"{what} is {value!r}, no finite number; mend or remove the record")
        return number
    return _single(value, what)


def _single(value: Any, what: str) -> str:
    if value is None or (isinstance(value, str) and not value.strip()):
        raise InputError(f"{what} is missing; label the record or remove it")
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool | int | float):
        return str(value)
    raise InputError(f"{what} is {type(value).__name__}, not a string or a number; mend the record")
