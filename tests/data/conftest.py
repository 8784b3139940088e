"""Token stores for the tests: written from given ids, not from text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from kpt.data import TokenStore
from kpt.data.writer import StoreWriter
from kpt.files import atomic_folder
from kpt.text import Vocabulary, WordPieceTokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

Documents = Sequence[Sequence[Sequence[int]]]


def tokenizer_of(size: int, continuation_every: int = 0) -> WordPieceTokenizer:
    """A tokenizer of `size` pieces w5, w6, ...; each `continuation_every`-th id is a ## piece."""
    pieces = [f"##w{i}" if continuation_every and i % continuation_every == 0 else f"w{i}" for i in range(5, size)]
    return WordPieceTokenizer(Vocabulary.from_tokens(SPECIAL + pieces))


def write_store(
    folder: Path, documents: Documents, tokenizer: WordPieceTokenizer, shard_tokens: int = 1 << 26
) -> TokenStore:
    with atomic_folder(folder) as temporary:
        writer = StoreWriter(temporary, tokenizer, shard_tokens=shard_tokens)
        for document in documents:
            ids = np.concatenate([np.asarray(sentence) for sentence in document])
            writer.add(ids, np.asarray([len(sentence) for sentence in document]), np.asarray([len(document)]))
        writer.finish(bytes=0, problems={})
    return TokenStore.open(folder)


@pytest.fixture
def make_store(tmp_path: Path) -> Callable[..., TokenStore]:
    def make(documents: Documents, size: int = 100, continuation_every: int = 0, **options: int) -> TokenStore:
        return write_store(tmp_path / "store", documents, tokenizer_of(size, continuation_every), **options)

    return make


def random_documents(count: int, seed: int, least: int = 1, most: int = 30) -> list[list[int]]:
    """Sentence lengths of `count` documents: a few long ones among many short ones."""
    generator = np.random.default_rng(seed)
    sentences = generator.geometric(0.05, count)
    return [generator.integers(least, most, number).tolist() for number in sentences]


@pytest.fixture(scope="session")
def store_by_document(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    """A store in which every token of document d has the id 5 + d."""
    documents = [[[5 + d] * n for n in lengths] for d, lengths in enumerate(random_documents(400, seed=1))]
    return write_store(tmp_path_factory.mktemp("by_document") / "store", documents, tokenizer_of(405), 7000)


@pytest.fixture(scope="session")
def store_by_position(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    """A store in which the token at position p has the id 5 + p; every fourth is a ## piece."""
    documents, position = [], 5
    for lengths in random_documents(200, seed=2, least=2):
        document = []
        for n in lengths:
            document.append(list(range(position, position + n)))
            position += n
        documents.append(document)
    tokenizer = tokenizer_of(position, continuation_every=4)
    return write_store(tmp_path_factory.mktemp("by_position") / "store", documents, tokenizer)
