"""What tasks learned together, or one after another, cost each other.

    python -m benchmarks.multi_task --data FOLDER --out multi_task.json

An encoder is pre-trained on the text of all tasks' training splits and on further text, never on that of the other
splits. Then

- two tasks are learned alone and together (`kpt.training.finetune`, `finetune_multi_task`): the accuracy on the test
  split of each, of the epoch that the validation split chooses;
- three tasks are learned one after another (`finetune_continual`) with plain tuning, elastic weight consolidation and
  replay: the average forgetting of their scores on the test splits, which choose nothing there.

With `--data` the tasks are the sentiment of movie reviews, which package a docstring is from, and the entities of
WNUT 2017; without it three of the second kind, of different packages.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.finetuning import SETTINGS as FINETUNING
from benchmarks.finetuning import TINY as TINY_FINETUNING
from benchmarks.finetuning import pretrained
from benchmarks.finetuning_inputs import (
    FILES,
    Labelled,
    documentation_subjects,
    movie_reviews,
    named_entities,
    some_labels,
    write_columns,
    write_records,
)
from kpt.files import write_json
from kpt.text import Document

METHODS = ("plain", "ewc", "replay")
SETTINGS: dict[str, Any] = {
    **FINETUNING,
    "windows": 4,
    "labels": 1400,
    "ewc_strength": 1000.0,
    "replay_share": 0.25,
    "replay_texts": 200,
    "fisher_texts": 200,
}
TINY: dict[str, Any] = {
    **TINY_FINETUNING,
    "windows": 1,
    "batch_size": 8,
    "labels": 16,
    "replay_texts": 4,
    "fisher_texts": 2,
}
#: Packages of the three tasks without `--data`.
PACKAGES = (("numpy", "rich", "jinja2"), ("keras", "absl-py", "h5py"), ("tensorflow", "matplotlib", "scipy"))
TINY_PACKAGES = (("jinja2", "rich"), ("safetensors", "packaging"))


def tasks_of(folder: Path | None, tiny: bool) -> dict[str, Labelled]:
    """Return the tasks: three, and two where it is only tried that everything runs."""
    if folder is not None and not tiny:
        return {
            "sentiment": movie_reviews(folder),
            "subject": documentation_subjects(),
            "entities": named_entities(folder),
        }
    counts = (2, 16, 8, 8) if tiny else (3, 1400, 200, 500)
    packages = TINY_PACKAGES if tiny else PACKAGES
    return {f"subject_{number}": documentation_subjects(some, *counts) for number, some in enumerate(packages, start=1)}


def all_text(tasks: dict[str, Labelled]) -> Labelled:
    """Return the text of all training splits, and what else there is, each text once; nothing of the other splits."""
    held_out = {
        document.text
        for data in tasks.values()
        for document in (*data.validation, *data.test)
        if isinstance(document, Document)
    }
    found: dict[str, Document] = {}
    for data in tasks.values():
        for document in (*data.train, *data.unlabelled):
            if isinstance(document, Document) and document.text not in held_out:
                found.setdefault(document.text, document)
    return Labelled("all tasks", list(found.values()), [], [], [])


def write_tasks(tasks: dict[str, Labelled], folder: Path, labels: int, seed: int) -> dict[str, dict[str, Path]]:
    """Write the files of each task, with some of its labels to train on; returns their paths by split."""
    paths: dict[str, dict[str, Path]] = {}
    for name, data in tasks.items():
        tags = data.task == "entities"
        write, ending = (write_columns, "conll") if tags else (write_records, "jsonl")
        splits = {"train": some_labels(data.train, labels, seed), "validation": data.validation, "test": data.test}
        paths[name] = {split: write(folder / f"{name}-{split}.{ending}", texts) for split, texts in splits.items()}
    return paths


def accuracy_on_test(run: Path, files: dict[str, Path], task: str | None = None) -> float:
    """Return the accuracy of a tuned model on a test split."""
    from kpt.data import read_labelled
    from kpt.evaluation import evaluate_task
    from kpt.training import load_task_model

    return float(evaluate_task(load_task_model(run, task), read_labelled(files["test"]), resamples=0)["accuracy"])


def together(run: Path, paths: dict[str, dict[str, Path]], settings: dict[str, Any], seed: int, folder: Path) -> Any:
    """Return the accuracies of two tasks learned alone and together."""
    from kpt.training import TaskFiles, finetune, finetune_multi_task, trained_source

    names = list(paths)[:2]
    chosen = settings_of(settings, seed)
    rows = []
    alone = {}
    for name in names:
        files = paths[name]
        finetune(trained_source(run), files["train"], files["validation"], folder / name, chosen, overwrite=True)
        alone[name] = accuracy_on_test(folder / name, files)
    tasks = [TaskFiles(name, paths[name]["train"], paths[name]["validation"]) for name in names]
    finetune_multi_task(trained_source(run), tasks, folder / "both", chosen, overwrite=True)
    for name in names:
        both = accuracy_on_test(folder / "both", paths[name], name)
        rows.append({"task": name, "seed": seed, "alone": round(alone[name], 4), "together": round(both, 4)})
    return rows


def one_after_another(
    run: Path, paths: dict[str, dict[str, Path]], settings: dict[str, Any], method: str, seed: int, folder: Path
) -> dict[str, Any]:
    """Return the matrix of the scores of three tasks on their test splits, and what was forgotten."""
    from kpt.training import ContinualSettings, TaskFiles, finetune_continual, trained_source

    tasks = [
        TaskFiles(name, files["train"], files["test"], "tag" if files["train"].suffix == ".conll" else "classify")
        for name, files in paths.items()
    ]
    names = ("ewc_strength", "replay_share", "replay_texts", "fisher_texts")
    continual = ContinualSettings(method=method, **{name: settings[name] for name in names})
    chosen = settings_of(settings, seed)
    results = finetune_continual(trained_source(run), tasks, folder / method, chosen, continual, overwrite=True)
    kept = ("average_forgetting", "average_score", "matrix", "seconds")
    return {"method": method, "seed": seed, **{name: results[name] for name in kept}}


def settings_of(settings: dict[str, Any], seed: int) -> Any:
    """Return the settings of a tuning."""
    from kpt.training import FinetuneSettings

    names = ("epochs", "batch_size", "length", "windows", "training_windows")
    return FinetuneSettings(seed=seed, **{name: settings[name] for name in names})


def summary(multi: Sequence[dict[str, Any]], continual: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the means over the seeds, and of each method its forgetting as a share of that of plain tuning."""
    tasks = list(dict.fromkeys(row["task"] for row in multi))
    together_rows = []
    for task in tasks:
        own = [row for row in multi if row["task"] == task]
        means = {side: round(statistics.fmean(row[side] for row in own), 4) for side in ("alone", "together")}
        together_rows.append({"task": task, **means, "points": round(100 * (means["together"] - means["alone"]), 2)})
    rows = []
    for method in dict.fromkeys(row["method"] for row in continual):
        own = [row for row in continual if row["method"] == method]
        rows.append(
            {
                "method": method,
                "average_forgetting": round(statistics.fmean(row["average_forgetting"] for row in own), 4),
                "average_score": round(statistics.fmean(row["average_score"] for row in own), 4),
            }
        )
    plain = next((row["average_forgetting"] for row in rows if row["method"] == "plain"), None)
    for row in rows:
        row["of_plain"] = round(row["average_forgetting"] / plain, 3) if plain and plain > 0 else None
    return {"together": together_rows, "one_after_another": rows}


def show(found: dict[str, Any], seeds: int, console: Console) -> None:
    """Print the tables."""
    table = Table(title=f"Two tasks, test accuracy, mean of {seeds} seeds")
    for name in ("task", "alone", "together", "points"):
        table.add_column(name, justify="left" if name == "task" else "right")
    for row in found["together"]:
        table.add_row(row["task"], f"{row['alone']:.3f}", f"{row['together']:.3f}", f"{row['points']:+.1f}")
    console.print(table)
    table = Table(title=f"Three tasks one after another, mean of {seeds} seeds")
    for name in ("method", "forgotten", "of plain", "known at the end"):
        table.add_column(name, justify="left" if name == "method" else "right")
    for row in found["one_after_another"]:
        share = "" if row["of_plain"] is None else f"{row['of_plain']:.2f}"
        table.add_row(row["method"], f"{row['average_forgetting']:.3f}", share, f"{row['average_score']:.3f}")
    console.print(table)


def measure(
    tasks: dict[str, Labelled], run: Path, settings: dict[str, Any], methods: Sequence[str], keep: Callable[..., None]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the rows of both parts; `keep` gets them as they come."""
    multi: list[dict[str, Any]] = []
    continual: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for seed in range(settings["seeds"]):
            paths = write_tasks(tasks, folder, settings["labels"], seed)
            multi += together(run, paths, settings, seed, folder)
            keep(multi, continual)
            for method in methods:
                continual.append(one_after_another(run, paths, settings, method, seed, folder))
                keep(multi, continual)
    return multi, continual


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark; return what is written to `--out`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help=f"folder with {', '.join(FILES)} and WNUT 2017")
    parser.add_argument("--out", type=Path, default=Path("multi_task.json"), help="JSON to write")
    parser.add_argument("--run", type=Path, help="folder for the pre-training, which is taken again where it is there")
    for name in ("steps", "labels", "seeds", "epochs"):
        parser.add_argument(f"--{name}", type=int, help=f"(default {SETTINGS[name]})")
    parser.add_argument("--size", help=f"of the encoder (default {SETTINGS['size']})")
    parser.add_argument("--ewc-strength", type=float, help=f"(default {SETTINGS['ewc_strength']:g})")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--precision", default="float32", help="of the encoder")
    parser.add_argument("--tiny", action="store_true", help="only try that everything runs")
    options = parser.parse_args(arguments)
    given = {name: getattr(options, name) for name in ("steps", "labels", "seeds", "epochs", "size", "ewc_strength")}
    settings = SETTINGS | (TINY if options.tiny else {}) | {n: v for n, v in given.items() if v is not None}
    tasks = tasks_of(options.data, options.tiny)
    console = Console(stderr=True)
    result: dict[str, Any] = {
        "tasks": {name: data.task for name, data in tasks.items()},
        "settings": settings,
        "precision": options.precision,
        "backend": os.environ.get("KERAS_BACKEND", "tensorflow"),
    }

    def keep(multi: Sequence[dict[str, Any]], continual: Sequence[dict[str, Any]]) -> None:
        found = {"multi_task": list(multi), "continual": list(continual), "summary": summary(multi, continual)}
        write_json(options.out, result | found)
        console.print(continual[-1] if continual else multi[-2:])

    with tempfile.TemporaryDirectory() as temporary:
        folder = options.run or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        note = folder / "pretraining.json"
        if not note.is_file():
            write_json(note, pretrained(all_text(tasks), folder, settings, options.precision))
        result["pretraining"] = json.loads(note.read_text(encoding="utf-8"))
        measure(tasks, folder / "run", settings, options.methods, keep)
    result = json.loads(options.out.read_text(encoding="utf-8"))
    show(result["summary"], settings["seeds"], Console())
    return result


if __name__ == "__main__":
    main()
