"""Export a run as the next version of a SavedModel that takes raw text: `python examples/06_export.py`."""

import argparse

import kpt
from kpt.training import RunFolder

parser = argparse.ArgumentParser()
parser.add_argument("--run", default="runs/bert")
parser.add_argument("--to", default="saved_models/bert")
arguments = parser.parse_args()

run = RunFolder(arguments.run)
model = run.load(compile=False)
path = kpt.export.saved_model(model, run.tokenizer, arguments.to, length=run.config["training"]["length"])
print(f"{run.step} steps: {path}")
