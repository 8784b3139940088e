"""The labelled texts of the fine-tuning benchmark, and the text that its models are pre-trained on."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kpt.data import TaggedWords, read_conll
from kpt.data.subsets import balanced_rows
from kpt.text import Corpus, Document, documentation

__all__ = [
    "COLUMNS",
    "FILES",
    "Labelled",
    "Sentence",
    "documentation_subjects",
    "movie_reviews",
    "named_entities",
    "some_labels",
    "write_columns",
    "write_records",
]

#: Of `--data`: reviews with `cv` numbers in their ids, speeches, and WikiText-2's validation part.
FILES = ("movie_reviews.jsonl", "speeches.jsonl", "wikitext2-valid.txt")
#: Of `--data` for entities.
COLUMNS = ("wnut17-train.conll", "wnut17-dev.conll", "wnut17-test.conll")

#: The words and the tags of a sentence.
Sentence = tuple[list[str], list[str]]


@dataclass(frozen=True)
class Labelled:
    """Texts with labels in three splits, and text without.

    Attributes:
        task: what is told.
        train: what labels are drawn from.
        validation: chooses the epoch.
        test: is scored.
        unlabelled: text beside `train` that is pre-trained on; nothing of `validation` and `test`.
    """

    task: str
    train: list[Any]
    validation: list[Any]
    test: list[Any]
    unlabelled: list[Document]


def movie_reviews(folder: Path) -> Labelled:
    """Return the sentiment of reviews: 1,400 to train on, 100 to validate on, 500 to test on."""
    parts: dict[str, list[Document]] = {"train": [], "validation": [], "test": []}
    for review in Corpus(folder / FILES[0]):
        number = int(str(review.id).split("_")[0].removeprefix("cv"))
        parts["train" if number < 700 else "validation" if number < 750 else "test"].append(review)
    others = [*Corpus(folder / FILES[1]), *Corpus(folder / FILES[2], documents="wikitext")]
    return Labelled("sentiment of reviews", **parts, unlabelled=others)


def named_entities(folder: Path) -> Labelled:
    """Return the entities of WNUT 2017, in its own splits; the text is that of reviews, speeches and articles."""
    parts = {
        name: sentences_of(read_conll(folder / file, repair=True))
        for name, file in zip(("train", "validation", "test"), COLUMNS, strict=True)
    }
    reviews = movie_reviews(folder)
    tweets = [Document(" ".join(words)) for words, _ in parts["train"]]
    return Labelled("entities", **parts, unlabelled=[*reviews.train, *reviews.unlabelled, *tweets])


def sentences_of(data: TaggedWords) -> list[Sentence]:
    """Return the words and the tags of each sentence."""
    return list(zip(data.texts, data.labels, strict=True))


def documentation_subjects(
    packages: Sequence[str] | None = None, classes: int = 10, train: int = 1400, validation: int = 200, test: int = 500
) -> Labelled:
    """Return which package a docstring is from, of the packages with the most of them, equally many of each."""
    documents = list(documentation(packages))
    names = [name for name, _ in Counter(str(document.label) for document in documents).most_common(classes)]
    chooser = random.Random(0)
    splits: dict[str, list[Document]] = {"train": [], "validation": [], "test": []}
    rest = [document for document in documents if document.label not in names]
    for name in names:
        own = [document for document in documents if document.label == name]
        chooser.shuffle(own)
        begin = 0
        for split, count in (("train", train), ("validation", validation), ("test", test)):
            end = begin + max(1, min(count // len(names), len(own) // 3))
            splits[split] += own[begin:end]
            begin = end
        rest += own[begin:]
    return Labelled("subject of documentation", **splits, unlabelled=rest)


def some_labels(texts: Sequence[Any], count: int, seed: int) -> list[Any]:
    """Return some labelled texts, of each label equally many but for what does not divide evenly; or some sentences."""
    rows = balanced_rows([str(getattr(text, "label", None)) for text in texts], count, seed)
    return [texts[row] for row in rows]


def write_records(path: Path, documents: Sequence[Document]) -> Path:
    """Write labelled texts as jsonl."""
    lines = [json.dumps({"text": document.text, "label": document.label}) for document in documents]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_columns(path: Path, sentences: Sequence[Sentence]) -> Path:
    """Write tagged words as a CoNLL file."""
    lines = ["\n".join(map("\t".join, zip(words, tags, strict=True))) for words, tags in sentences]
    path.write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    return path
