"""A token store of a few documents, quickly made."""

from __future__ import annotations

from pathlib import Path

from kpt.data import TokenStore, prepare
from kpt.text import WordPieceTokenizer

SENTENCES = (
    "The cat sat on the mat.",
    "A list of the values is returned by the function.",
    "Open the file and read the lines.",
    "It was a warm day and the dog slept.",
    "The function fails if there is none.",
    "Then close the file.",
)
DOCUMENTS = [" ".join((SENTENCES * 2)[start : start + count]) for start in range(6) for count in (2, 3, 4, 5, 6)]


def small_store(folder: Path) -> TokenStore:
    """Write a store of 30 documents with 90 pieces."""
    return prepare(DOCUMENTS, WordPieceTokenizer.train(DOCUMENTS, 90), folder, progress=False)
