"""The report of a run on several tasks at once: the scores, the curves and the worst errors of each, as one page."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import kpt
from kpt.training.finetune_report import SCORES, SOURCES, error_view
from kpt.training.metrics_log import read_metrics
from kpt.training.progress import clock
from kpt.training.report import curve_of, figure_view, percent, read_json, table_views, write_page

__all__ = ["multi_task_view", "score_words", "write_multi_task_report"]

LEGEND = (
    "Over the training steps, held-out texts after each epoch. The loss of all tasks is the mean between two records, "
    "and strong its smoothed course; those of single tasks are means since their epoch began."
)
#: Errors of a task that the page shows.
ERRORS = 8


def write_multi_task_report(run_folder: str | os.PathLike[str]) -> Path:
    """Write `report.html` into the run folder of a fine-tuning on several tasks from what else is in it.

    Args:
        run_folder: a folder with `metrics.jsonl` and what `kpt.training.finetune_multi_task` writes beside it.

    Returns:
        The path of the page. It has no script and no resource outside itself.

    Raises:
        InputError: there is no `metrics.jsonl`, or one of the files is damaged.
    """
    folder = Path(run_folder)
    shown = multi_task_view(
        read_metrics(folder / "metrics.jsonl"),
        read_json(folder / "config.json", {}),
        read_json(folder / "results.json", {}),
        read_json(folder / "epochs.json", []),
        read_json(folder / "errors.json", {}),
        name=folder.resolve().name,
    )
    return write_page(folder, shown, SOURCES)


def multi_task_view(
    records: Sequence[Mapping[str, Any]],
    config: Mapping[str, Any],
    results: Mapping[str, Any],
    epochs: Sequence[Mapping[str, Any]],
    errors: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    name: str,
) -> dict[str, Any]:
    """Return what the template shows."""
    tasks = results.get("tasks", {})
    seconds = max((record.get("seconds") or 0.0 for record in records), default=0.0)
    numbers = [
        {
            "name": f"{task}: {SCORES[some['main_score']][0]}",
            "value": score_words(some["main_score"], some[some["main_score"]]),
            "note": f"of {some['validation_texts']:,} held-out texts, epoch {results['best_epoch']}",
        }
        for task, some in tasks.items()
    ]
    shown = [
        {**view, "note": f"{task}; {view['note']}"}
        for task, some in errors.items()
        for view in map(error_view, some[:ERRORS])
    ]
    return {
        "title": f"{config.get('title', 'Several tasks')}: {name}",
        "subtitle": f"{len(tasks)} tasks, {sum(epoch['epoch'] > 0 for epoch in epochs)} epochs in {clock(seconds)}"
        + (f" on Keras with {config['backend']}" if "backend" in config else ""),
        "numbers": numbers,
        "figures": figures_of(records, {task: some["main_score"] for task, some in tasks.items()}),
        "legend": LEGEND,
        "errors": shown,
        "errors_words": f"Held-out texts with the highest loss first, up to {ERRORS} of each task; all of them are in "
        "errors.json.",
        "samples": [],
        "texts": [],
        "guesses": 0,
        "tables": table_views(results, config),
        "history": history_of(epochs, tasks),
        "version": kpt.__version__,
    }


def score_words(key: str, value: float) -> str:
    """Return a score as the page writes it.

    Example:
        >>> score_words("macro_f1", 0.5), score_words("pearson", 0.5)
        ('50 %', '0.500')
    """
    return percent(value) if SCORES[key][1] else f"{value:.3f}"


def figures_of(records: Sequence[Mapping[str, Any]], tasks: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the curves: the loss of all tasks together, and of each task its loss and the score that counts."""
    train = [record for record in records if record["split"] == "train"]
    held_out = [record for record in records if record["split"] == "heldout"]
    steps = max((record["step"] for record in records), default=0)
    options: dict[str, Any] = {"form": "{:.3g}".format, "last_step": steps}
    figures = [figure_view("Loss of all tasks", [curve_of(train, "loss", "train")], **options)]
    for task, key in tasks.items():
        both = [curve_of(train, f"{task}_loss", "train"), curve_of(held_out, f"{task}_loss", "heldout")]
        figures.append(figure_view(f"{task}: loss", both, **options))
        title, share = SCORES[key]
        score = [curve_of(held_out, f"{task}_{key}", "heldout")]
        form = percent if share else "{:.3g}".format
        figures.append(figure_view(f"{task}: {title}", score, form=form, last_step=steps))
    rate = [curve_of(train, "learning_rate", "exact")]
    figures.append(figure_view("Learning rate", rate, form="{:.2g}".format, from_zero=True, last_step=steps))
    return [figure for figure in figures if figure["train"] or figure["held_out"]]


def history_of(epochs: Sequence[Mapping[str, Any]], tasks: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the table of the epochs."""
    keys = [(task, key) for task, some in tasks.items() for key in ("loss", some["main_score"])]
    names = [f"{task}: {'loss' if key == 'loss' else SCORES[key][0]}" for task, key in keys]
    rows = []
    for epoch in epochs:
        cells = [(key, epoch["tasks"][task][key]) for task, key in keys]
        words = [f"{value:.3f}" if key == "loss" else score_words(key, value) for key, value in cells]
        rows.append([str(epoch["epoch"]), f"{epoch['score']:.3f}", *words])
    return {"names": ["Epoch", "Mean score", *names], "rows": rows}
