"""`kpt evaluate` of a tuned model: its scores on files of labelled texts, with intervals."""

from __future__ import annotations

import argparse
from typing import Any

from kpt.cli.arguments import named
from kpt.cli.backend import load_backend
from kpt.cli.output import Output

__all__ = ["TASK_KINDS", "task_model"]

#: Kinds of runs that `task_model` evaluates, as `config.json` has them.
TASK_KINDS = ("classifier", "regressor", "tagger", "multi_task")


def task_model(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    """Evaluate a classifier, a regressor or a tagger on each file; its fields are those of the training.

    Args:
        arguments: `source`, `task`, `data` and `backend`.
        output: where words go.

    Raises:
        InputError: a file does not fit; the message says where.
    """
    load_backend(arguments.backend)
    from kpt.evaluation.glue import glue_scores
    from kpt.evaluation.task_scores import evaluate_task
    from kpt.training.finetuning import load_task_model, read_files
    from kpt.training.run_folder import RunFolder
    from kpt.training.task_files import saved_settings

    settings = saved_settings(RunFolder(arguments.source).config, arguments.task, arguments.source)
    files = named(arguments.data)
    data = {name: read_files(file, settings) for name, file in files.items()}
    model = load_task_model(arguments.source, arguments.task)
    results = {name: evaluate_task(model, texts, batch_size=settings.batch_size) for name, texts in data.items()}
    if settings.glue is not None:
        return {name: {**scores, "glue": glue_scores(settings.glue, scores)} for name, scores in results.items()}
    return results
