"""What the sides of the data benchmark are given: the corpus and the numbers of the run, from the run's folder."""

from __future__ import annotations

import json
from pathlib import Path


def documents_of(folder: Path) -> list[str]:
    """Return the documents of the corpus."""
    documents: list[str] = json.loads((folder / "documents.json").read_text())
    return documents


def setting_of(folder: Path) -> dict[str, int]:
    """Return the numbers of the run."""
    setting: dict[str, int] = json.loads((folder / "setting.json").read_text())
    return setting


def training_texts(folder: Path) -> list[str]:
    """Return the first documents, as many as tokenizers are trained on."""
    texts, size = [], 0
    for text in documents_of(folder):
        if size >= setting_of(folder)["training_bytes"]:
            break
        texts.append(text)
        size += len(text.encode())
    return texts


def lines_of(folder: Path) -> tuple[list[str], float]:
    """Return the sentences of the corpus and their size in MB."""
    from kpt.text import split_sentences

    lines = [sentence for document in documents_of(folder) for sentence in split_sentences(document)]
    return lines, sum(len(line.encode()) for line in lines) / 1e6
