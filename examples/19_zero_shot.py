"""Ask a decoder without tuning it, and tune it on a few labels: `python examples/19_zero_shot.py`.

The script makes up reviews, each with a verdict at its end, and pre-trains a decoder on them as plain text. Of new
reviews, without their verdicts, it then asks which verdict is the likelier one to follow (zero-shot), and compares that
with the same decoder tuned on some labels. `--from RUN --train FILE --test FILE --template TEXT` takes a decoder that
`kpt pretrain gpt` wrote and texts of your own (.jsonl, .csv or .tsv with `text` and `label`); the template says how a
label is told in words.
"""

import argparse
import json
import random
from pathlib import Path

import numpy as np

import kpt
from kpt.data import prepare, read_labelled
from kpt.data.subsets import some_texts
from kpt.evaluation import evaluate_task
from kpt.generation import zero_shot
from kpt.training import (
    FinetuneSettings,
    GptSettings,
    RunFolder,
    finetune,
    load_task_model,
    pretrain_gpt,
    trained_source,
)

WORDS = {"good": ("great", "clear", "useful", "fast", "solid"), "bad": ("poor", "slow", "wrong", "useless", "broken")}
THINGS = ("The file", "The function", "This module", "The whole class", "The error message", "The first example")
TEMPLATE = "{text} All in all it is {label}."


def made_up(count: int) -> list[dict[str, str]]:
    """Return reviews with two statements of the mind of their label, and one of the other mind among them."""
    reviews = []
    for label in random.choices(("good", "bad"), k=count):
        other = "bad" if label == "good" else "good"
        words = [*random.sample(WORDS[label], 2), random.choice(WORDS[other])]
        random.shuffle(words)
        statements = [f"{thing} is {word}." for thing, word in zip(random.sample(THINGS, 3), words, strict=True)]
        reviews.append({"text": " ".join(statements), "label": label})
    return reviews


def write(path: Path, reviews: list[dict[str, str]]) -> Path:
    """Write reviews as jsonl."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(review) + "\n" for review in reviews), encoding="utf-8")
    return path


parser = argparse.ArgumentParser()
parser.add_argument("--from", dest="source")
parser.add_argument("--train")
parser.add_argument("--test")
parser.add_argument("--template", default=TEMPLATE)
parser.add_argument("--out", default="runs/zero-shot")
parser.add_argument("--count", type=int, default=4000)
parser.add_argument("--steps", type=int, default=600)
parser.add_argument("--labels", type=int, nargs="+", default=[8, 32, 128])
parser.add_argument("--epochs", type=int, default=20)
arguments = parser.parse_args()
if (arguments.train is None) != (arguments.test is None):
    parser.error("give --train and --test, or neither")

random.seed(0)
out = Path(arguments.out)
source, train, test = arguments.source, arguments.train, arguments.test
if source is None:
    texts = [TEMPLATE.format(**review) for review in made_up(arguments.count)]
    tokenizer = kpt.BytePairTokenizer.train(texts, vocabulary_size=340)
    prepare(texts, tokenizer, out / "store", overwrite=True)
    settings = GptSettings(size="tiny", steps=arguments.steps, batch_size=16, length=64, separate=True)
    results = pretrain_gpt(out / "store", out / "gpt", settings, overwrite=True, progress=True)
    source = results["run"]
    print(f"a decoder of {results['parameters']:,} parameters: {results['report']}")
if train is None:
    reviews = made_up(max(arguments.labels) + 300)
    train, test = write(out / "train.jsonl", reviews[300:]), write(out / "test.jsonl", reviews[:300])

labelled, asked = read_labelled(train), read_labelled(test)
names = sorted(set(labelled.labels))
run = RunFolder(source)
chances = zero_shot(run.load(compile=False), run.tokenizer, asked.texts, names, arguments.template)
right = np.mean([names[guess] == label for guess, label in zip(chances.argmax(axis=1), asked.labels, strict=True)])
print(f"no label, zero-shot: accuracy {right:.1%} on {len(asked)} texts")

for count in arguments.labels:
    some = some_texts(labelled, count, seed=0)
    # So few labels are all trained on; the epoch is the first that knows most of them.
    settings = FinetuneSettings(epochs=arguments.epochs, batch_size=8, pooling="last")
    results = finetune(trained_source(source), some, some, out / f"tuned-{count}", settings, overwrite=True)
    scores = evaluate_task(load_task_model(results["run"]), asked)
    low, high = scores["intervals"]["accuracy"]
    print(f"{count} labels, tuned: accuracy {scores['accuracy']:.1%} ({low:.1%} to {high:.1%})")
