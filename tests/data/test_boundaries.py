from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kpt.data import TokenStore
from kpt.data.boundaries import back_to_word, word_starts


def test_word_starts(make_store: Callable[..., TokenStore]) -> None:
    store = make_store([[[5, 8, 6, 12, 16, 7]]], continuation_every=4)  # 8, 12 and 16 continue a word
    starts = word_starts(store, np.array([0, 1]), np.array([6, 3]), 6)
    assert starts.tolist() == [[True, False, True, False, False, True], [False, True, False, False, False, False]]


def test_back_to_word(make_store: Callable[..., TokenStore]) -> None:
    store = make_store([[[5, 6]], [[5, 8, 6, 12, 16, 7]], [[5] + [8] * 60]], continuation_every=4)
    document = np.array([2, 2, 2, 2, 2, 2, 8, 8])
    position = np.array([2, 3, 4, 5, 6, 7, 8 + 31, 8 + 32])
    assert back_to_word(store, document, position).tolist() == [2, 2, 4, 4, 4, 7, 8, 8 + 32]


def test_a_document_that_begins_inside_a_word(make_store: Callable[..., TokenStore]) -> None:
    store = make_store([[[5]], [[8, 12, 16]]], continuation_every=4)
    assert back_to_word(store, np.array([1]), np.array([3])).tolist() == [3]
