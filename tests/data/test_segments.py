from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from kpt.data import Segments, TokenStore
from kpt.errors import InputError

MakeStore = Callable[..., TokenStore]


def test_an_epoch_of_short_documents_literally(make_store: MakeStore) -> None:
    store = make_store([[[10, 11], [12]], [[13]], [[14, 15, 16]]])
    maker = Segments(store, length=6)
    assert maker.examples_per_epoch == 3
    rows = maker.examples(0, 3)["token_ids"].tolist()
    assert sorted(rows) == [[2, 10, 11, 12, 3, 0], [2, 13, 3, 0, 0, 0], [2, 14, 15, 16, 3, 0]]


def test_examples_are_pieces_of_one_document(store_by_position: TokenStore) -> None:
    maker = Segments(store_by_position, length=64, seed=5)
    batch = maker.examples(0, maker.examples_per_epoch)
    starts, stops = store_by_position.document_spans(np.arange(store_by_position.documents))
    full = 0
    for ids, padding in zip(batch["token_ids"], batch["padding_mask"], strict=True):
        inside = ids[padding]
        assert (inside[0], inside[-1]) == (2, 3)
        positions = inside[1:-1] - 5
        assert (np.diff(positions) == 1).all()
        document = np.searchsorted(stops, positions[0], side="right")
        assert positions[-1] < stops[document]
        full += len(positions) == min(62, stops[document] - starts[document])
    assert full > 0.9 * maker.examples_per_epoch


def test_rows_steps_and_seeds(store_by_position: TokenStore) -> None:
    maker = Segments(store_by_position, length=32)
    whole = maker.examples(3, 40)
    part = maker.examples(3, 40, slice(10, 20))
    assert all(np.array_equal(part[key], whole[key][10:20]) for key in whole)
    assert not np.array_equal(maker.examples(4, 40)["token_ids"], whole["token_ids"])
    again = Segments(store_by_position, length=32, seed=0).examples(3, 40)
    other = Segments(store_by_position, length=32, seed=1).examples(3, 40)
    assert np.array_equal(again["token_ids"], whole["token_ids"])
    assert not np.array_equal(other["token_ids"], whole["token_ids"])


def test_each_epoch_has_every_chunk_in_another_order(make_store: MakeStore) -> None:
    maker = Segments(make_store([[[10 + i]] for i in range(50)]), length=3)
    orders = [maker.examples(epoch, 50)["token_ids"][:, 1].tolist() for epoch in range(3)]
    assert all(sorted(order) == list(range(10, 60)) for order in orders)
    assert orders[0] != orders[1] != orders[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"length": 2}, "the length is 2; give at least 3"), ({"seed": -1}, "seed is -1"), ({"seed": 2**63}, "seed is")],
)
def test_bad_settings(make_store: MakeStore, options: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Segments(make_store([[[5]]]), **options)
