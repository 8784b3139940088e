"""Tune one model on three tasks one after another, and see what it forgets: `python examples/17_continual.py`.

Each task is to tell two packages apart by their documentation. The tasks are learned three times: with nothing done
against forgetting, with elastic weight consolidation, and with replay of stored texts. `--packages` takes other ones,
two for each task.
"""

import argparse
import json
import random
from pathlib import Path

from kpt.text import documentation
from kpt.training import ContinualSettings, FinetuneSettings, TaskFiles, finetune_continual, trained_source

parser = argparse.ArgumentParser()
parser.add_argument("--from", dest="source", default="runs/bert")
parser.add_argument("--packages", nargs="+", default=["numpy", "rich", "keras", "jinja2", "tensorflow", "matplotlib"])
parser.add_argument("--out", default="runs/one-after-another")
parser.add_argument("--methods", nargs="+", default=["plain", "ewc", "replay"])
parser.add_argument("--count", type=int, default=600)
parser.add_argument("--epochs", type=int, default=4)
arguments = parser.parse_args()

random.seed(0)
folder = Path(f"{arguments.out}-data")
folder.mkdir(parents=True, exist_ok=True)
tasks = []
for first, second in zip(arguments.packages[::2], arguments.packages[1::2], strict=True):
    records = []
    for package in (first, second):
        own = list(documentation([package]))
        chosen = random.sample(own, min(len(own), arguments.count // 2))
        records += [json.dumps({"text": document.text, "label": package}) + "\n" for document in chosen]
    random.shuffle(records)
    name = f"{first}_{second}"
    files = folder / f"{name}-train.jsonl", folder / f"{name}-validation.jsonl"
    files[0].write_text("".join(records[len(records) // 5 :]), encoding="utf-8")
    files[1].write_text("".join(records[: len(records) // 5]), encoding="utf-8")
    tasks.append(TaskFiles(name, *files))

settings = FinetuneSettings(epochs=arguments.epochs, windows=1)
for method in arguments.methods:
    results = finetune_continual(
        trained_source(arguments.source),
        tasks,
        f"{arguments.out}-{method}",
        settings,
        ContinualSettings(method=method),
        overwrite=True,
        progress=True,
    )
    print(f"{method}: {results['average_forgetting']:.3f} forgotten, {results['average_score']:.3f} known at the end")
    for task, row in zip(tasks, results["matrix"], strict=True):
        print(f"  after {task.name:<24}" + " ".join(f"{score:.2f}" for score in row))
    print(f"  heat map: {results['report']}")
