from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kpt.data import TokenStore
from kpt.data.sequences import pair_sequences, single_sequences

T, F = True, False


def test_one_segment(make_store: Callable[..., TokenStore]) -> None:
    store = make_store([[[10, 11, 12, 13]], [[14, 15]]])
    batch = single_sequences(store, store.vocabulary, 6, np.array([0, 4]), np.array([4, 1]))
    assert batch["token_ids"].tolist() == [[2, 10, 11, 12, 13, 3], [2, 14, 3, 0, 0, 0]]
    assert batch["segment_ids"].tolist() == [[0] * 6] * 2
    assert batch["padding_mask"].tolist() == [[T] * 6, [T, T, T, F, F, F]]
    assert {key: value.dtype.name for key, value in batch.items()} == {
        "token_ids": "int32",
        "segment_ids": "int32",
        "padding_mask": "bool",
    }


def test_two_segments(make_store: Callable[..., TokenStore]) -> None:
    store = make_store([[[10, 11, 12, 13]], [[14, 15]]])
    first = (np.array([0, 4]), np.array([2, 1]))
    second = (np.array([2, 1]), np.array([2, 3]))
    batch = pair_sequences(store, store.vocabulary, 8, first, second)
    assert batch["token_ids"].tolist() == [[2, 10, 11, 3, 12, 13, 3, 0], [2, 14, 3, 11, 12, 13, 3, 0]]
    assert batch["segment_ids"].tolist() == [[0, 0, 0, 0, 1, 1, 1, 0], [0, 0, 0, 1, 1, 1, 1, 0]]
    assert batch["padding_mask"].tolist() == [[T] * 7 + [F]] * 2
    assert {value.dtype.name for value in batch.values()} == {"int32", "bool"}
