"""The tasks of GLUE, a row each, and their files as GLUE has them.

A line of a file is a record, its fields parted by tabs; quotes mean nothing. The first line names the fields, but not
in CoLA's files. A line with too few fields, of which GLUE has a few, is left out and counted as ``short``, a text with
nothing in it is kept and counted as ``empty``. The labels of GLUE's test files are secret: they cannot be read here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kpt.data.labelled import LabelledTexts
from kpt.errors import InputError
from kpt.text.blocks import read_blocks
from kpt.text.records import lines_of
from kpt.text.sources import Files, find_files

__all__ = ["GLUE", "GlueTask", "glue_files", "glue_task", "read_glue"]


@dataclass(frozen=True)
class GlueTask:
    """One of GLUE's tasks.

    Attributes:
        text: the field of the text, by the first line's name; or its number where no line names the fields.
        pair: the field of the second text; None for single texts.
        label: the field of the label.
        names: what the labels in the files are called, such as `"positive"` for `"1"`; of numbers nothing.
        metrics: the scores that GLUE counts, of which it takes the mean.
        validation: the files that have labels, beside `train.tsv`; the first chooses the epoch.
    """

    text: str | int
    pair: str | int | None
    label: str | int
    names: Mapping[str, str]
    metrics: tuple[str, ...] = ("accuracy",)
    validation: tuple[str, ...] = ("dev.tsv",)

    @property
    def numbers(self) -> bool:
        """Whether it is a number that is to be told."""
        return not self.names


def _as_they_are(*names: str) -> dict[str, str]:
    return {name: name for name in names}


ENTAILMENT = ("entailment", "not_entailment")
F1 = ("accuracy", "f1")

#: The nine tasks. Source: Wang et al. 2018, "GLUE: A Multi-Task Benchmark", table 1; the files of its site.
GLUE: dict[str, GlueTask] = {
    "CoLA": GlueTask(3, None, 1, {"0": "unacceptable", "1": "acceptable"}, ("matthews",)),
    "SST-2": GlueTask("sentence", None, "label", {"0": "negative", "1": "positive"}),
    "MRPC": GlueTask("#1 String", "#2 String", "Quality", {"0": "not_equivalent", "1": "equivalent"}, F1),
    "QQP": GlueTask("question1", "question2", "is_duplicate", {"0": "not_duplicate", "1": "duplicate"}, F1),
    "STS-B": GlueTask("sentence1", "sentence2", "score", {}, ("pearson", "spearman")),
    "MNLI": GlueTask(
        "sentence1",
        "sentence2",
        "gold_label",
        _as_they_are("contradiction", "entailment", "neutral"),
        validation=("dev_matched.tsv", "dev_mismatched.tsv"),
    ),
    "QNLI": GlueTask("question", "sentence", "label", _as_they_are(*ENTAILMENT)),
    "RTE": GlueTask("sentence1", "sentence2", "label", _as_they_are(*ENTAILMENT)),
    "WNLI": GlueTask("sentence1", "sentence2", "label", {"0": "not_entailment", "1": "entailment"}),
}


def glue_task(name: str) -> GlueTask:
    """Return one of the nine tasks.

    Raises:
        InputError: there is none of that name.
    """
    if name not in GLUE:
        raise InputError(f"GLUE has no task {name!r}; there are {', '.join(GLUE)}")
    return GLUE[name]


def glue_files(name: str, folder: str | Path) -> tuple[Path, list[Path]]:
    """Return the file to train on and those to validate on of a task's folder.

    Raises:
        InputError: one is missing, or there is no such task.
    """
    paths = [Path(folder) / file for file in ("train.tsv", *glue_task(name).validation)]
    for path in paths:
        if not path.is_file():
            raise InputError(f"{path} does not exist; give the folder of {name} as GLUE has it, with {path.name}")
    return paths[0], paths[1:]


def read_glue(name: str, files: Files) -> LabelledTexts:
    r"""Read files of one of GLUE's tasks.

    Args:
        name: the task's, as in `GLUE`.
        files: a path, a glob pattern or a folder, or several of them.

    Raises:
        InputError: a file is missing or has no record, its first line does not name a field, or a label is none of the
            task's; the message has the file and the line.

    Example:
        >>> _ = Path("dev.tsv").write_text("sentence\tlabel\na fine film\t1\n")
        >>> read_glue("SST-2", "dev.tsv").labels
        ['positive']
    """
    task, problems = glue_task(name), Counter[str]()
    wanted = [field for field in (task.text, task.pair, task.label) if field is not None]
    data = LabelledTexts([], None if task.pair is None else [], [], [], problems)
    for path in find_files(files):
        before = len(data)
        columns = wanted if all(isinstance(field, int) for field in wanted) else None
        for number, line in enumerate(lines_of(read_blocks(path, problems=problems), str(path), 1), start=1):
            fields, where = line.rstrip("\r").split("\t"), f"{path}, line {number}"
            if columns is None:
                columns = [_column(fields, str(field), where) for field in wanted]
                continue
            if len(fields) <= max(map(int, columns)):
                problems["short"] += bool(line)
                continue
            *texts, label = (fields[int(column)] for column in columns)
            problems["empty"] += sum(not text.strip() for text in texts)
            data.labels.append(_label(task, label, where))
            data.texts.append(texts[0])
            if data.pairs is not None:
                data.pairs.append(texts[1])
            data.places.append(where)
        if len(data) == before:
            raise InputError(f"{path} has no record of {name}; give a file as GLUE has it, with texts and labels")
    for what in ("short", "empty"):  # what did not happen is not told
        if not problems[what]:
            del problems[what]
    return data


def _column(header: list[str], field: str, where: str) -> int:
    if field not in header:
        have = ", ".join(map(repr, header[:10]))
        raise InputError(f"{where}: no field {field!r} (fields: {have}); give a file with labels, as GLUE has it")
    return header.index(field)


def _label(task: GlueTask, value: str, where: str) -> str | float:
    if not task.numbers:
        if value not in task.names:
            raise InputError(
                f"{where}: the label {value!r} is none of {', '.join(task.names)}; mend or remove the line"
            )
        return task.names[value]
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{where}: {value!r} is no finite number; mend or remove the line")
    return number
