"""The report of a fine-tuning: curves, the confusion matrix and the worst errors, as one HTML page."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import kpt
from kpt.evaluation.classification import f1_scores
from kpt.training.finetune_comparison import comparison_views
from kpt.training.metrics_log import read_metrics
from kpt.training.progress import clock
from kpt.training.report import curve_of, figure_view, percent, read_json, table_views, write_page

__all__ = ["finetune_view", "write_finetune_report"]

SOURCES = ("metrics.jsonl", "config.json", "results.json", "epochs.json", "errors.json")
LEGEND = (
    "Over the training steps, held-out texts after each epoch. Thin lines are means between two records, strong ones "
    "their smoothed course."
)
#: Scores by name: their title, and whether they are shares.
SCORES = {
    "f1": ("Entity F1", True),
    "answer_f1": ("Answer F1", True),
    "exact_match": ("Exact match", True),
    "precision": ("Entity precision", True),
    "recall": ("Entity recall", True),
    "macro_f1": ("Macro-F1", True),
    "micro_f1": ("Micro-F1", True),
    "accuracy": ("Accuracy", True),
    "matthews": ("Matthews's correlation", False),
    "pearson": ("Pearson's correlation", False),
    "spearman": ("Spearman's correlation", False),
    "mean_absolute_error": ("Mean absolute error", False),
}
#: Errors that the page shows, and characters of a text.
ERRORS, CHARACTERS = 20, 600
#: A matrix of more labels than these is not drawn.
WIDEST = 30


def write_finetune_report(run_folder: str | os.PathLike[str]) -> Path:
    """Write `report.html` into the run folder of a fine-tuning from what else is in it.

    Args:
        run_folder: a folder with `metrics.jsonl` and what `kpt.training.finetune` writes beside it.

    Returns:
        The path of the page. It has no script and no resource outside itself.

    Raises:
        InputError: there is no `metrics.jsonl`, or one of the files is damaged.
    """
    folder = Path(run_folder)
    shown = finetune_view(
        read_metrics(folder / "metrics.jsonl"),
        read_json(folder / "config.json", {}),
        read_json(folder / "results.json", {}),
        read_json(folder / "epochs.json", []),
        read_json(folder / "errors.json", []),
        name=folder.resolve().name,
    )
    return write_page(folder, shown, SOURCES)


def finetune_view(
    records: Sequence[Mapping[str, Any]],
    config: Mapping[str, Any],
    results: Mapping[str, Any],
    epochs: Sequence[Mapping[str, Any]],
    errors: Sequence[Mapping[str, Any]],
    *,
    name: str,
) -> dict[str, Any]:
    """Return what the template shows."""
    best = next((epoch for epoch in epochs if epoch["epoch"] == results.get("best_epoch")), None)
    seconds = max((record.get("seconds") or 0.0 for record in records), default=0.0)
    labels = config.get("data", {}).get("labels", ())
    return {
        "title": f"{config.get('title', 'Fine-tuning')}: {name}",
        "subtitle": f"{len(epochs)} epochs in {clock(seconds)}"
        + (f" on Keras with {config['backend']}" if "backend" in config else ""),
        "numbers": numbers_of(results),
        "figures": figures_of(records),
        "legend": LEGEND,
        "confusion": confusion_view(best["confusion"], labels) if best and "confusion" in best else None,
        "errors": [error_view(error) for error in errors[:ERRORS]],
        "errors_words": f"Held-out texts with the highest loss first, {min(len(errors), ERRORS)} of "
        f"{len(errors):,}; all of them are in errors.json.",
        "comparisons": comparison_views(results, SCORES),
        "samples": [],
        "texts": [],
        "guesses": 0,
        "tables": table_views({n: v for n, v in results.items() if n not in ("repeats", "curve")}, config),
        "history": history_of(epochs),
        "version": kpt.__version__,
    }


def numbers_of(results: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the figures at the top of the page."""
    if not results:
        return []
    where = f"of {results['validation_texts']:,} held-out texts, epoch {results['best_epoch']}"
    numbers = [
        {"name": title, "value": percent(results[key]) if share else f"{results[key]:.3f}", "note": where}
        for key, (title, share) in SCORES.items()
        if key in results and key != "micro_f1"
    ]
    if "texts_per_second" in results:  # not of a run that was interrupted before an epoch ended
        speed = f"{results['texts_per_second']:,.0f}"
        numbers.append({"name": "Texts per second", "value": speed, "note": "in training"})
    return numbers


def figures_of(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the curves."""
    train = [record for record in records if record["split"] == "train"]
    held_out = [record for record in records if record["split"] == "heldout"]
    steps = max((record["step"] for record in records), default=0)
    both = [curve_of(train, "loss", "train"), curve_of(held_out, "loss", "heldout")]
    figures = [figure_view("Loss", both, form="{:.3g}".format, last_step=steps)]
    for key, (title, share) in SCORES.items():
        curves = [curve_of(train, key, "train"), curve_of(held_out, key, "heldout")]
        form = percent if share else "{:.3g}".format
        if key != "micro_f1":
            figures.append(figure_view(title, curves, form=form, last_step=steps))
    rate = [curve_of(train, "learning_rate", "exact")]
    figures.append(figure_view("Learning rate", rate, form="{:.2g}".format, from_zero=True, last_step=steps))
    return [figure for figure in figures if figure["train"] or figure["held_out"]]


def confusion_view(confusion: Sequence[Sequence[int]], labels: Sequence[str]) -> dict[str, Any] | None:
    """Return the matrix with the share of each cell in its row; None where it would be too wide."""
    counts = np.asarray(confusion)
    if len(counts) > WIDEST:
        return None
    f1 = f1_scores(np.diag(counts), counts.sum(axis=1), counts.sum(axis=0))
    rows = []
    for number, row in enumerate(counts):
        total = max(int(row.sum()), 1)
        cells = [
            {"count": f"{count:,}", "share": round(float(count) / total, 3), "right": number == column}
            for column, count in enumerate(row)
        ]
        rows.append({"name": labels[number], "cells": cells, "f1": "" if np.isnan(f1[number]) else percent(f1[number])})
    words = "Held-out texts of the best epoch: a row a label, a column what they were taken for."
    return {"words": words, "names": list(labels), "rows": rows}


def error_view(error: Mapping[str, Any]) -> dict[str, Any]:
    """Return an error for the page, its text cut where it is long.

    Example:
        >>> error_view({"text": "x", "pair": None, "label": "a", "guess": "b", "loss": 2.0, "place": "f, line 2"})
        {'verdict': 'b, not a', 'note': 'loss 2.00; f, line 2', 'text': 'x', 'pair': None}
    """

    def words(value: Any) -> str:
        if isinstance(value, float):
            return f"{value:.3g}"
        return value if isinstance(value, str) else " + ".join(value) or "nothing"

    def short(text: str | None) -> str | None:
        return text if text is None or len(text) <= CHARACTERS else text[:CHARACTERS].rstrip() + " ..."

    chance = f" at {percent(error['probability'])}" if "probability" in error else ""
    return {
        "verdict": f"{words(error['guess'])}{chance}, not {words(error['label'])}",
        "note": f"loss {error['loss']:.2f}; {error['place']}",
        "text": short(error["text"]),
        "pair": short(error["pair"]),
    }


def history_of(epochs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the table of the epochs."""
    keys = [key for key in ("loss", *SCORES) if epochs and key in epochs[0]]
    names = ["Epoch", *("Loss" if key == "loss" else SCORES[key][0] for key in keys)]
    rows = [
        [
            str(epoch["epoch"]),
            *(percent(epoch[key]) if SCORES.get(key, ("", False))[1] else f"{epoch[key]:.3f}" for key in keys),
        ]
        for epoch in epochs
    ]
    return {"names": names, "rows": rows}
