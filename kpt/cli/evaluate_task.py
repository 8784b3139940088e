"""`kpt evaluate` of a tuned model: its scores on files of labelled texts, with intervals."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from kpt.cli.arguments import named
from kpt.cli.backend import load_backend
from kpt.cli.output import Output
from kpt.errors import InputError

__all__ = ["TASK_KINDS", "task_model"]

#: Kinds of runs that `task_model` evaluates, as `config.json` has them.
TASK_KINDS = ("classifier", "regressor", "tagger", "question_answerer", "multi_task")


def task_model(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    """Evaluate a task model on each file; its fields are those of the training.

    Args:
        arguments: `source`, `task`, `data`, `group`, `flips` and `backend`.
        output: where words go.

    Raises:
        InputError: a file does not fit; the message says where.
    """
    load_backend(arguments.backend)
    from kpt.evaluation.flips import counterfactual_flips
    from kpt.evaluation.glue import glue_scores
    from kpt.evaluation.groups import group_scores
    from kpt.evaluation.task_scores import evaluate_task
    from kpt.evaluation.word_swaps import read_word_swaps
    from kpt.training.finetuning import load_task_model, read_files
    from kpt.training.run_folder import RunFolder
    from kpt.training.task_files import saved_settings

    settings = saved_settings(RunFolder(arguments.source).config, arguments.task, arguments.source)
    if arguments.flips is not None and settings.task in ("tag", "qa"):
        raise InputError("--flips is for models that tell labels or numbers of texts; leave it out")
    swaps = None if arguments.flips is None else read_word_swaps(arguments.flips)
    files = named(arguments.data)
    data = {name: read_files(file, settings) for name, file in files.items()}
    model = load_task_model(arguments.source, arguments.task)
    results = {}
    for name, texts in data.items():
        results[name] = evaluate_task(model, texts, batch_size=settings.batch_size)
        if settings.glue is not None:
            results[name]["glue"] = glue_scores(settings.glue, results[name])
        if arguments.group is not None:
            groups = groups_of(files[name], arguments.group, settings)
            results[name] |= group_scores(model, texts, groups, batch_size=settings.batch_size)
        if swaps is not None:
            try:
                flips = counterfactual_flips(model, texts, swaps, batch_size=settings.batch_size)
            except InputError as error:
                raise InputError(f"{files[name]}: {error}") from error
            results[name]["flips"] = flips
    return results


def groups_of(file: Path, field: str, settings: Any) -> list[str]:
    """Return what each record of a file has in a field.

    Raises:
        InputError: a record has no such field, or the file has none.
    """
    from kpt.data.text_records import read_text_records

    if settings.task in ("tag", "qa") or settings.glue is not None:
        raise InputError("--group is for files of records with named fields (.jsonl .csv .tsv); leave it out")
    groups = []
    for record in read_text_records(file, text_field=settings.text_field, pair_field=settings.pair_field):
        if field not in record.record:
            have = ", ".join(map(repr, list(record.record)[:8]))
            raise InputError(f"{record.place}: no field {field!r} to group by (fields: {have}); name another")
        groups.append(str(record.record[field]))
    return groups
