"""Tune a pre-trained model on labelled reviews, evaluate, export and ask it: `python examples/10_sentiment.py`.

`--reviews FILE` takes reviews of your own (.jsonl, .csv or .tsv with `text` and `label`); without it the script makes
some up, in which a "not" turns praise into blame.
"""

import argparse
import json
import random
from pathlib import Path

import tensorflow as tf

import kpt
from kpt.data import read_labelled
from kpt.evaluation import evaluate_task
from kpt.training import FinetuneSettings, finetune, load_task_model, trained_source

PRAISE, BLAME = ("good", "great", "clear", "useful", "fast"), ("bad", "poor", "slow", "wrong", "useless")
THINGS = ("The file", "The function", "This module", "The whole class", "The error message", "The first example")


def made_up(count: int) -> list[dict[str, str]]:
    """Return reviews of two statements of one mind."""
    reviews = []
    for number in range(count):
        good = number % 2 == 0
        statements = []
        for thing in random.sample(THINGS, 2):
            turned = random.random() < 0.5
            word = random.choice(PRAISE if good != turned else BLAME)
            statements.append(f"{thing} is {'not ' if turned else ''}{word}.")
        reviews.append({"text": " ".join(statements), "label": "positive" if good else "negative"})
    return reviews


parser = argparse.ArgumentParser()
parser.add_argument("--from", dest="source", default="runs/bert")
parser.add_argument("--reviews")
parser.add_argument("--out", default="runs/sentiment")
parser.add_argument("--to", default="saved_models/sentiment")
parser.add_argument("--count", type=int, default=1200)
parser.add_argument("--epochs", type=int, default=6)
arguments = parser.parse_args()

random.seed(0)
if arguments.reviews:
    data = read_labelled(arguments.reviews)
    records = [{"text": text, "label": label} for text, label in zip(data.texts, data.labels, strict=True)]
    random.shuffle(records)
else:
    records = made_up(arguments.count)
folder = Path(f"{arguments.out}-data")
folder.mkdir(parents=True, exist_ok=True)
parts = {"train": records[len(records) // 5 :], "validation": records[: len(records) // 10]}
parts["test"] = records[len(records) // 10 : len(records) // 5]
for name, some in parts.items():
    lines = "".join(json.dumps(record) + "\n" for record in some)
    (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")

settings = FinetuneSettings(epochs=arguments.epochs)
files = folder / "train.jsonl", folder / "validation.jsonl"
tuned = finetune(trained_source(arguments.source), *files, arguments.out, settings, overwrite=True, progress=True)
print(f"epoch {tuned['best_epoch']} of {tuned['epochs']} is the best; curves and errors: {tuned['report']}")

model = load_task_model(arguments.out)
scores = evaluate_task(model, read_labelled(folder / "test.jsonl"))
low, high = scores["intervals"]["accuracy"]
print(f"{scores['texts']} test reviews: accuracy {scores['accuracy']:.1%} ({low:.1%} to {high:.1%})")
print(f"macro-F1 {scores['macro_f1']:.3f}, {model.labels} taken for each: {scores['confusion']}")

path = kpt.export.saved_model(model, model.tokenizer, arguments.to)
served = tf.saved_model.load(str(path))  # see 07_query.py for a process without kpt
texts = [records[0]["text"], "The function is not bad."]
answer = served.signatures["serving_default"](texts=tf.constant(texts))
for text, label, chances in zip(texts, answer["label"].numpy(), answer["probabilities"].numpy(), strict=True):
    print(f"{text[:80]} -> {label.decode()} {chances.max():.0%}")
