"""The report of tasks that were learned one after another: who knows what after which stage, as one page."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from markupsafe import Markup

import kpt
from kpt.training.finetune_report import SCORES
from kpt.training.metrics_log import read_metrics
from kpt.training.multi_task_report import score_words
from kpt.training.progress import clock
from kpt.training.report import curve_of, figure_view, read_json, table_views, write_page
from kpt.training.report_heat_map import heat_map_svg

__all__ = ["continual_view", "write_continual_report"]

SOURCES = ("metrics.jsonl", "config.json", "results.json", "stages.json")
LEGEND = (
    "Over the steps of all stages. Thin lines are means between two records, strong ones their smoothed course; a task "
    "is measured where its texts are in the batches."
)


def write_continual_report(run_folder: str | os.PathLike[str]) -> Path:
    """Write `report.html` into the run folder of tasks learned one after another from what else is in it.

    Args:
        run_folder: a folder with `metrics.jsonl` and what `kpt.training.finetune_continual` writes beside it.

    Returns:
        The path of the page. It has no script and no resource outside itself.

    Raises:
        InputError: there is no `metrics.jsonl`, or one of the files is damaged.
    """
    folder = Path(run_folder)
    shown = continual_view(
        read_metrics(folder / "metrics.jsonl"),
        read_json(folder / "config.json", {}),
        read_json(folder / "results.json", {}),
        read_json(folder / "stages.json", []),
        name=folder.resolve().name,
    )
    return write_page(folder, shown, SOURCES)


def continual_view(
    records: Sequence[Mapping[str, Any]],
    config: Mapping[str, Any],
    results: Mapping[str, Any],
    stages: Sequence[Mapping[str, Any]],
    *,
    name: str,
) -> dict[str, Any]:
    """Return what the template shows."""
    tasks = {task: some["main_score"] for task, some in results["tasks"].items()}
    seconds = sum(stage["seconds"] for stage in stages)
    numbers = [
        {
            "name": "Average forgetting",
            "value": f"{results['average_forgetting']:.3f}",
            "note": f"over the tasks before the last, after {len(stages)} stages",
        },
        {
            "name": "Average score",
            "value": f"{results['average_score']:.3f}",
            "note": "of the tasks learned, at the end",
        },
    ]
    for task, lost in results["forgetting"].items():
        key = tasks[task]
        note = (
            f"at the end; {lost:.3f} below its best before the last stage" if lost > 0 else "at the end; nothing lost"
        )
        value = score_words(key, results["tasks"][task][key])
        numbers.append({"name": f"{task}: {SCORES[key][0]}", "value": value, "note": note})
    return {
        "title": f"{config.get('title', 'Tasks one after another')}: {name}",
        "subtitle": f"{len(stages)} of {len(tasks)} stages in {clock(seconds)}"
        + (f" on Keras with {config['backend']}" if "backend" in config else ""),
        "numbers": numbers,
        "figures": figures_of(records, tasks),
        "legend": LEGEND,
        "heat_map": heat_map_view(stages, tasks),
        "samples": [],
        "texts": [],
        "guesses": 0,
        "tables": table_views({key: value for key, value in results.items() if key != "matrix"}, config),
        "history": matrix_view(stages, tasks),
        "version": kpt.__version__,
    }


def heat_map_view(stages: Sequence[Mapping[str, Any]], tasks: Mapping[str, str]) -> dict[str, Any]:
    """Return the heat map, and what it says."""
    svg = heat_map_svg(
        "Score of every task after every stage",
        [[stage["scores"][task] for task in tasks] for stage in stages],
        [f"after {stage['task']}" for stage in stages],
        list(tasks),
        forms=[partial(score_words, key) for key in tasks.values()],
    )
    words = (
        "The score of every task (a column) on held-out texts after every stage (a row). A frame is around the stage "
        "in which the task was learned: what is above it was not taught yet, what is below fades where it is forgotten."
    )
    return {"words": words, "svg": Markup(svg)}


def matrix_view(stages: Sequence[Mapping[str, Any]], tasks: Mapping[str, str]) -> dict[str, Any]:
    """Return the matrix as a table."""
    names = [f"{task}: {SCORES[key][0]}" for task, key in tasks.items()]
    rows = [
        [
            f"after {stage['task']}",
            f"{stage['step']:,}",
            *(score_words(key, stage["scores"][task]) for task, key in tasks.items()),
        ]
        for stage in stages
    ]
    return {"names": ["Stage", "Step", *names], "rows": rows}


def figures_of(records: Sequence[Mapping[str, Any]], tasks: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the curves of the losses."""
    steps = max((record["step"] for record in records), default=0)
    options: dict[str, Any] = {"form": "{:.3g}".format, "last_step": steps}
    figures = [figure_view("Loss", [curve_of(records, "loss", "train")], **options)]
    for task in tasks:
        # Where a batch has no text of the task, its mean over none is 0.
        seen = [record for record in records if record.get(f"{task}_loss")]
        figures.append(figure_view(f"{task}: loss", [curve_of(seen, f"{task}_loss", "train")], **options))
    figures.append(figure_view("Penalty", [curve_of(records, "penalty", "train")], from_zero=True, **options))
    rate = [curve_of(records, "learning_rate", "exact")]
    figures.append(figure_view("Learning rate", rate, form="{:.2g}".format, from_zero=True, last_step=steps))
    return [figure for figure in figures if figure["train"]]
