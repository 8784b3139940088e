"""Vectors of items from sessions: `python examples/08_items.py`, on sessions that the script makes up.

The items of a shop belong to departments, and a visitor keeps to one department. Nothing of that is told to the model;
the neighbours of an item are from its department all the same.
"""

import argparse
import json
from pathlib import Path

import numpy as np

import kpt
from kpt.training import Word2VecSettings, pretrain_word2vec

parser = argparse.ArgumentParser()
parser.add_argument("--out", default="runs/items")
parser.add_argument("--departments", type=int, default=20)
parser.add_argument("--items", type=int, default=25)
parser.add_argument("--sessions", type=int, default=20_000)
parser.add_argument("--width", type=int, default=32)
parser.add_argument("--epochs", type=int, default=5)
arguments = parser.parse_args()

out = Path(arguments.out)
out.mkdir(parents=True, exist_ok=True)
generator = np.random.default_rng(0)
with (out / "sessions.jsonl").open("w", encoding="utf-8") as file:
    for session in range(arguments.sessions):
        department = generator.integers(arguments.departments)
        seen = generator.integers(arguments.items, size=generator.integers(4, 16))
        items = [f"item-{department * arguments.items + item}" for item in seen]
        if generator.random() < 0.1:  # now and then one looks at something else
            items[0] = f"item-{generator.integers(arguments.departments * arguments.items)}"
        file.write(json.dumps({"session": session, "items": items}) + "\n")

sessions = kpt.text.Sessions(out / "sessions.jsonl")  # or a .tsv with an event a line
tokenizer = kpt.WordTokenizer.train(sessions, minimum_frequency=5)
store = kpt.data.prepare(sessions, tokenizer, out / "store", split=str.splitlines, overwrite=True)
settings = Word2VecSettings(width=arguments.width, epochs=arguments.epochs, sample=0.0)
results = pretrain_word2vec(store.folder, out / "run", settings, overwrite=True, progress=True)

vectors = kpt.WordVectors.load(results["vectors"])
near = vectors.nearest(vectors.words, k=10)
department = {item: int(item.removeprefix("item-")) // arguments.items for item in vectors.words}
own = [
    department[item] == department[other]
    for item, others in zip(vectors.words, near, strict=True)
    for other, _ in others
]
for item, others in list(zip(vectors.words, near, strict=True))[:3]:
    print(f"{item} (department {department[item]}):", ", ".join(other for other, _ in others[:5]))
print(f"{len(vectors)} items; {np.mean(own):.1%} of their ten nearest are from their own department")
