"""Tune one model on two tasks at once, evaluate, export and ask it: `python examples/16_multi_task.py`.

Both tasks are on the documentation of installed packages: which package a text is from, and which of its words are
names of code, such as `open_file` or `close()` (marked by a rule, as a cheap example of labels). `--packages` takes
other packages.
"""

import argparse
import json
import random
from pathlib import Path

import tensorflow as tf

import kpt
from kpt.data import read_labelled
from kpt.evaluation import evaluate_task
from kpt.text import documentation
from kpt.text.word_spans import word_spans
from kpt.training import FinetuneSettings, TaskFiles, finetune_multi_task, load_task_model, trained_source

parser = argparse.ArgumentParser()
parser.add_argument("--from", dest="source", default="runs/bert")
parser.add_argument("--packages", nargs="+", default=["jinja2", "rich", "numpy", "keras"])
parser.add_argument("--out", default="runs/two-tasks")
parser.add_argument("--to", default="saved_models/two-tasks")
parser.add_argument("--count", type=int, default=2000)
parser.add_argument("--epochs", type=int, default=4)
arguments = parser.parse_args()

random.seed(0)
by_package: dict[str, list[str]] = {}
for document in documentation(arguments.packages):
    by_package.setdefault(str(document.label), []).append(" ".join(document.text.split())[:600])
texts = []
for package, own in by_package.items():
    chosen = random.sample(own, min(len(own), arguments.count // len(by_package)))
    texts += [(text, package) for text in chosen]
random.shuffle(texts)


def tagged(text: str) -> str:
    """Return a line for each word of a text, with `B-code` at the names of code."""
    words = [text[begin:end] for begin, end in word_spans(text)]
    return "".join(f"{word}\t{'B-code' if '_' in word.strip('_') else 'O'}\n" for word in words)


folder = Path(f"{arguments.out}-data")
folder.mkdir(parents=True, exist_ok=True)
tenth = len(texts) // 10
for name, some in {"train": texts[2 * tenth :], "validation": texts[:tenth], "test": texts[tenth : 2 * tenth]}.items():
    lines = "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in some)
    (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    (folder / f"{name}.conll").write_text("\n".join(tagged(text) for text, _ in some), encoding="utf-8")

tasks = [
    TaskFiles("package", folder / "train.jsonl", folder / "validation.jsonl"),
    TaskFiles("code", folder / "train.conll", folder / "validation.conll", "tag"),
]
settings = FinetuneSettings(epochs=arguments.epochs, windows=1)
source = trained_source(arguments.source)
tuned = finetune_multi_task(source, tasks, arguments.out, settings, overwrite=True, progress=True)
print(f"epoch {tuned['best_epoch']} of {tuned['epochs']} is the best; curves and errors: {tuned['report']}")

model = load_task_model(arguments.out, "package")
scores = evaluate_task(model, read_labelled(folder / "test.jsonl"))
print(f"package: accuracy {scores['accuracy']:.1%} of {scores['texts']} test texts")
print(f"code: entity F1 {tuned['tasks']['code']['f1']:.1%} on the validation texts")

both, tokenizer = kpt.load(arguments.out)
path = kpt.export.saved_model(both, tokenizer, arguments.to)
served = tf.saved_model.load(str(path))  # with a signature for each task
text = tf.constant(["Call open_file to read the template and render it."])
package, code = served.signatures["package"](texts=text), served.signatures["code"](texts=text)
print(f"{package['label'][0].numpy().decode()}; names of code: {code['entity_count'][0].numpy()}")
