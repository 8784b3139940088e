"""A token store of whole words in groups, quickly made."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kpt.data import TokenStore, prepare
from kpt.text import WordTokenizer


def group_sentences(groups: int = 4, words: int = 6, sentences: int = 600, length: int = 10) -> list[str]:
    """Sentences of words `GROUP-WORD` from one group each: words of a group occur together."""
    generator = np.random.default_rng(0)
    return [
        " ".join(f"{group}-{word}" for word in generator.integers(words, size=length))
        for group in generator.integers(groups, size=sentences)
    ]


def word_store(folder: Path) -> TokenStore:
    """Write a store of 600 documents, 6,000 words and 25 ids."""
    sentences = group_sentences()
    tokenizer = WordTokenizer.train(sentences, minimum_frequency=1)
    return prepare(sentences, tokenizer, folder, split=str.splitlines, progress=False)
