from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kpt import InputError
from kpt.text import WordPieceTokenizer, load_tokenizer
from kpt.training.document_vectors import (
    FILE,
    document_counts,
    leave_document_vectors,
    read_document_vectors,
)
from kpt.vectors import latent_semantic_vectors
from tests.training.small_store import DOCUMENTS, small_store


def test_documents_are_counted_token_by_token(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store")
    found = document_counts(store).toarray()
    ids = [np.concatenate(store.document(number)) for number in range(store.documents)]
    np.testing.assert_array_equal(found, [np.bincount(row, minlength=store.vocabulary.size) for row in ids])
    part = store.split(0.5, 0)[0]  # a view of some documents counts these alone
    assert document_counts(part).sum() == sum(len(np.concatenate(part.document(i))) for i in range(part.documents))


def test_a_long_document_is_divided_and_of_many_some_are_taken(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store")
    sizes = [len(np.concatenate(store.document(number))) for number in range(store.documents)]
    found = document_counts(store, tokens=4).toarray()
    assert len(found) == sum(max(1, round(size / 4)) for size in sizes) > store.documents
    np.testing.assert_array_equal(found.sum(axis=0), document_counts(store).toarray().sum(axis=0))
    assert found.sum(axis=1).min() >= 2 and found.sum(axis=1).max() <= 6
    assert document_counts(store, documents=3).shape == (3, store.vocabulary.size)


def test_a_run_folder_keeps_them(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store")
    tokenizer = load_tokenizer(store.tokenizer_folder)
    leave_document_vectors(tmp_path, store, 0)
    assert read_document_vectors(tmp_path, tokenizer) is None
    leave_document_vectors(tmp_path, store, 3)
    kept = read_document_vectors(tmp_path, tokenizer)
    np.testing.assert_array_equal(kept, latent_semantic_vectors(document_counts(store), 3))
    before = (tmp_path / FILE).read_bytes()
    leave_document_vectors(tmp_path, store, 2)  # a run that goes on has its own already
    assert (tmp_path / FILE).read_bytes() == before


def test_what_does_not_belong_to_the_run_is_refused(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store")
    leave_document_vectors(tmp_path, store, 3)
    same_size = WordPieceTokenizer.train([text.replace("a", "e") for text in DOCUMENTS], store.vocabulary.size)
    with pytest.raises(
        InputError, match=r"is of another tokenizer than the run's|no vectors of the model's vocabulary"
    ):
        read_document_vectors(tmp_path, same_size)
    (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:-9])
    with pytest.raises(InputError, match=r"document_vectors.safetensors is damaged .*; copy the run again"):
        read_document_vectors(tmp_path, load_tokenizer(store.tokenizer_folder))
