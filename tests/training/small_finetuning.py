"""A pre-trained run and files of labels, quickly made."""

from __future__ import annotations

import json
from pathlib import Path

import keras

from kpt.objectives import MaskedLM, Pretrainer
from kpt.training.run_folder import RunFolder
from tests.tasks.small_task import BAD, GOOD, LABELS, TEXTS, THINGS, small_encoder, small_tokenizer


def small_run(folder: Path) -> RunFolder:
    """Write a run folder with a model that was not trained."""
    keras.utils.set_random_seed(0)
    tokenizer = small_tokenizer()
    run = RunFolder.create(folder, tokenizer, {"title": "BERT pre-training"})
    model = Pretrainer(small_encoder(tokenizer), [MaskedLM()])
    model.compile("sgd")
    run.save(model, 1)
    return run


def small_files(folder: Path) -> tuple[Path, Path]:
    """Write files of records to train and to validate on; a third of the texts is held out."""
    records = [
        {"text": text, "label": label, "score": float(label == "pos") + 0.1 * (number % 3), "words": text.split()[1:3]}
        for number, (text, label) in enumerate(zip(TEXTS, LABELS, strict=True))
    ]
    train, validation = folder / "train.jsonl", folder / "validation.jsonl"
    for path, chosen in ((train, lambda i: i % 3), (validation, lambda i: not i % 3)):
        lines = [json.dumps(record) for number, record in enumerate(records) if chosen(number)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return train, validation


def small_columns(folder: Path) -> tuple[Path, Path]:
    """Write files in columns: what is said of things is tagged, together with the thing where it comes after."""
    train, validation = folder / "train.conll", folder / "validation.conll"
    for path, chosen in ((train, lambda i: i % 3), (validation, lambda i: not i % 3)):
        sentences = []
        for number, text in enumerate(TEXTS):
            words = text.split()
            tags = ["B-thing" if word in (*GOOD, *BAD) else "I-thing" if word in THINGS else "O" for word in words]
            if chosen(number):
                sentences.append("\n".join(f"{word}\t{tag}" for word, tag in zip(words, tags, strict=True)))
        path.write_text("\n\n".join(sentences) + "\n", encoding="utf-8")
    return train, validation
