"""The tasks of a run on several ones: for each its name, its files and its own settings, from a TOML or JSON file."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kpt.errors import InputError
from kpt.training.finetune_settings import FinetuneSettings

__all__ = ["TaskFiles", "read_task_files", "saved_settings", "task_settings"]

#: Settings that a task may have for itself, and the types of their values.
OWN: dict[str, type] = {
    "multi_label": bool,
    "class_weights": str,
    "windows": int,
    "training_windows": int,
    "dropout": float,
    "pooling": str,
    "text_field": str,
    "pair_field": str,
    "label_field": str,
    "column": int,
    "repair_tags": bool,
}
NEEDED = ("task", "train", "validation")


@dataclass(frozen=True)
class TaskFiles:
    """A task among several.

    Attributes:
        name: of the task.
        train: files of texts with labels, see `kpt.data.read_labelled`; or of tagged words, see `kpt.data.read_conll`.
        validation: likewise; never trained on.
        task: `"classify"`, `"regress"` or `"tag"`.
        proportion: of its batches in proportion to the other tasks'; None where their sizes say it.
        own: settings of `FinetuneSettings` that it has for itself, such as `label_field`.
    """

    name: str
    train: Any
    validation: Any
    task: str = "classify"
    proportion: float | None = None
    own: Mapping[str, Any] = field(default_factory=dict)


def task_settings(task: TaskFiles, settings: FinetuneSettings) -> FinetuneSettings:
    """Return the settings of a task: those of the run with its own in their place.

    Raises:
        InputError: a setting is unknown, or its value does not fit.

    Example:
        >>> task_settings(TaskFiles("stars", "a.tsv", "b.tsv", "regress"), FinetuneSettings(epochs=2)).epochs
        2
    """
    if unknown := set(task.own) - set(OWN):
        raise InputError(f"the task {task.name!r} has {', '.join(sorted(unknown))}; it may have {', '.join(OWN)}")
    if task.task == "qa":
        raise InputError(f"the task {task.name!r} answers questions, which is tuned alone; leave it out")
    try:
        return replace(settings, task=task.task, **task.own)
    except InputError as error:
        raise InputError(f"the task {task.name!r}: {error}") from error


def read_task_files(path: str | os.PathLike[str]) -> list[TaskFiles]:
    r"""Read the tasks of a file: in TOML a table each, in JSON an object of objects, by the names of the tasks.

    Each has `task` (`"classify"`, `"regress"` or `"tag"`), `train` and `validation` (a file or a list of them, paths
    from the folder of this file on), and may have `proportion` and settings of its own such as `label_field`.

    Args:
        path: a file that ends in .toml or .json.

    Raises:
        InputError: it cannot be read, has no task, or a task lacks something, or has something unknown.

    Example:
        >>> _ = Path("tasks.toml").write_text('[mood]\ntask = "classify"\ntrain = "a.tsv"\nvalidation = "b.tsv"\n')
        >>> [(task.name, task.train) for task in read_task_files("tasks.toml")]
        [('mood', [PosixPath('a.tsv')])]
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in (".toml", ".json"):
        raise InputError(f"{path} is neither .toml nor .json; write the tasks in one of these forms")
    try:
        text = path.read_text(encoding="utf-8")
        tables = tomllib.loads(text) if kind == ".toml" else json.loads(text)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); give a file of tasks") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no {kind[1:].upper()} ({error}); mend it") from error
    if not isinstance(tables, dict) or not tables:
        raise InputError(f"{path} has no task; give each a table with {', '.join(NEEDED)}")
    return [_task(name, table, path) for name, table in tables.items()]


def saved_settings(config: Mapping[str, Any], task: str | None, source: str | os.PathLike[str]) -> FinetuneSettings:
    """Return the settings that a tuned model was trained with.

    Args:
        config: the `config.json` of its run.
        task: of a run of several tasks, the name of the one that is wanted.
        source: the run, for messages.

    Raises:
        InputError: the run is no fine-tuning, has no task of the name, or has several and none is named.
    """
    if "tasks" in config:
        if task not in config["tasks"]:
            wanted = "no task is named" if task is None else f"it has no task {task!r}"
            raise InputError(f"{source} has the tasks {', '.join(config['tasks'])}, and {wanted}; name one of them")
        values = config["tasks"][task]
    elif task is not None:
        raise InputError(f"{source} has one task alone, and {task!r} is asked for; leave the name out")
    else:
        values = config.get("training")
    try:
        return FinetuneSettings(**values)
    except TypeError as error:
        raise InputError(f"{source} has no settings of a fine-tuning ({error}); tune it anew") from error


def _task(name: str, table: Any, path: Path) -> TaskFiles:
    where = f"{path}, task {name!r}"
    if not isinstance(table, dict):
        raise InputError(f"{where} is {table!r}, not a table with {', '.join(NEEDED)}; mend it")
    if missing := [key for key in NEEDED if key not in table]:
        raise InputError(f"{where} has no {missing[0]}; add it")
    own = {key: value for key, value in table.items() if key not in (*NEEDED, "proportion")}
    for key, value in own.items():
        kind = OWN.get(key)
        if kind is None:
            raise InputError(
                f"{where} has {key!r}, which is unknown; there are {', '.join((*NEEDED, 'proportion', *OWN))}"
            )
        if type(value) is not kind and not (kind is float and type(value) is int):
            raise InputError(f"{where}: {key} is {value!r}; give a value of the type {kind.__name__}")
    files = {}
    for key in NEEDED[1:]:
        names = [table[key]] if isinstance(table[key], str) else table[key]
        if not isinstance(names, list) or not names or not all(isinstance(each, str) for each in names):
            raise InputError(f"{where}: {key} is {table[key]!r}; give a file or a list of files")
        files[key] = [path.parent / each for each in names]
    proportion = table.get("proportion")
    if proportion is not None and (isinstance(proportion, bool) or not isinstance(proportion, int | float)):
        raise InputError(f"{where}: proportion is {proportion!r}; give a number above 0")
    return TaskFiles(name, files["train"], files["validation"], table["task"], proportion, own)
