from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from kpt.training.baselines import token_counts, unigram_baseline


class Store:
    """Documents held in a list."""

    def __init__(self, documents: list[list[list[int]]], size: int) -> None:
        self._documents = documents
        self.documents = len(documents)
        self.vocabulary = SimpleNamespace(size=size)

    def document(self, index: int) -> list[np.ndarray]:
        return [np.asarray(sentence, np.uint16) for sentence in self._documents[index]]


def test_tokens_are_counted() -> None:
    store = Store([[[1, 1], [2]], [[1, 3]]], size=5)
    assert token_counts(store).tolist() == [0, 3, 1, 1, 0]


def test_of_a_large_store_every_nth_document_is_counted() -> None:
    store = Store([[[index % 4]] for index in range(8)], size=4)
    assert token_counts(store, documents=4).tolist() == [2, 0, 2, 0]
    assert token_counts(store, documents=3).sum() == 3


def test_the_end_of_a_document_counts_as_often_as_there_are_documents() -> None:
    store = Store([[[1, 1], [2]], [[1, 3]], [[2]]], size=5)
    assert token_counts(store, end_id=4).tolist() == [0, 3, 2, 1, 3]
    assert token_counts(store, documents=2, end_id=4)[4] == 2


def test_the_baseline_is_that_of_the_frequencies() -> None:
    counts = np.array([0, 3, 1, 0])  # with one added: 1/8, 4/8, 2/8, 1/8
    batches = [
        {"mask_labels": np.array([[1, 2]]), "mask_weights": np.array([[1.0, 1.0]])},
        {"mask_labels": np.array([[0, 1]]), "mask_weights": np.array([[1.0, 0.0]])},
    ]
    baseline = unigram_baseline(counts, batches)
    assert baseline.loss == pytest.approx((math.log(2) + math.log(4) + math.log(8)) / 3)
    assert baseline.accuracy == pytest.approx(1 / 3)
    assert baseline.token_id == 1


def test_nothing_masked_is_no_number() -> None:
    baseline = unigram_baseline(np.array([1, 2]), [])
    assert math.isnan(baseline.loss) and math.isnan(baseline.accuracy)
