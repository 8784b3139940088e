from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from kpt.data import TokenStore
from kpt.data.chunks import Chunks

MakeStore = Callable[..., TokenStore]


def test_numbers_and_places(make_store: MakeStore) -> None:
    store = make_store([[[5]], [[6] * 10], [[7] * 3], [[8] * 4, [9] * 5]])
    chunks = Chunks(store, capacity=4, minimum=2)
    place = chunks.find(np.arange(len(chunks)))
    assert chunks.documents == 3
    assert place.document.tolist() == [1, 1, 1, 2, 3, 3, 3]
    assert place.first.tolist() == [0, 0, 0, 3, 4, 4, 4]
    assert place.chunk.tolist() == [0, 1, 2, 0, 0, 1, 2]
    assert place.chunks.tolist() == [3, 3, 3, 1, 3, 3, 3]
    assert place.start.tolist() == [1, 1, 1, 11, 14, 14, 14]
    assert place.stop.tolist() == [11, 11, 11, 14, 23, 23, 23]


@pytest.mark.parametrize("view", ["whole", "train", "held out"])
def test_many_documents_against_a_table(store_by_document: TokenStore, view: str) -> None:
    store = store_by_document
    if view != "whole":
        store = store.split(0.2)[view == "held out"]
    chunks = Chunks(store, capacity=50)
    start, stop = store.document_spans(np.arange(store.documents))
    counts = -(-(stop - start) // 50)
    place = chunks.find(np.arange(len(chunks)))
    assert len(chunks) == counts.sum()
    assert place.document.tolist() == np.repeat(np.arange(store.documents), counts).tolist()
    assert np.array_equal(place.start, np.repeat(start, counts)) and np.array_equal(place.stop, np.repeat(stop, counts))
    assert np.array_equal(place.chunk + place.first, np.arange(len(chunks)))


def cover(store: TokenStore, capacity: int, epochs: range) -> np.ndarray:
    """How often each position is in a chunk, over some epochs."""
    chunks = Chunks(store, capacity)
    seen = np.zeros(store.tokens, np.int64)
    for epoch in epochs:
        numbers = np.arange(len(chunks))
        start, end = chunks.spread(chunks.find(numbers), np.asarray(capacity), np.full(len(numbers), epoch), seed=0)
        assert (end - start <= capacity).all() and (end > start).all()
        for begin, stop in zip(start.tolist(), end.tolist(), strict=True):
            seen[begin:stop] += 1
    return seen


def test_an_epoch_covers_nearly_all_and_a_few_cover_all(store_by_document: TokenStore) -> None:
    assert np.count_nonzero(cover(store_by_document, 60, range(1))) / store_by_document.tokens > 0.9
    assert np.count_nonzero(cover(store_by_document, 60, range(12))) == store_by_document.tokens


def test_a_document_that_is_one_long_sentence_is_covered(make_store: MakeStore) -> None:
    store = make_store([[[5, 8] * 500]], continuation_every=4)
    seen = cover(store, 60, range(20))
    assert seen.min() > 0 and seen[100:900].max() < 40
    chunks = Chunks(store, 60)
    place = chunks.find(np.arange(len(chunks)))
    start, _ = chunks.spread(place, np.asarray(60), np.zeros_like(place.chunk), seed=0)
    assert len(set(start.tolist())) > 12 and (start % 2 == 0).all()  # every second piece starts a word


def test_chunks_start_sentences_stay_in_their_document_and_are_full_where_it_is_long_enough(
    store_by_document: TokenStore,
) -> None:
    chunks = Chunks(store_by_document, capacity=60)
    place = chunks.find(np.arange(len(chunks)))
    start, end = chunks.spread(place, np.asarray(60), np.zeros_like(place.chunk), seed=1)
    assert (start >= place.start).all() and (end <= place.stop).all()
    full = np.minimum(60, place.stop - place.start)
    assert np.array_equal((end - start)[end < place.stop], full[end < place.stop])
    assert (end - start >= (full + 1) // 2).all() and (end - start).mean() > 0.93 * full.mean()
    sentences = store_by_document.sentences_at(start)
    assert np.array_equal(store_by_document.sentence_starts(sentences), start)


def test_epochs_and_seeds_lay_chunks_anew(store_by_document: TokenStore) -> None:
    chunks = Chunks(store_by_document, capacity=20)
    place = chunks.find(np.arange(len(chunks)))
    laid = {
        (epoch, seed): chunks.spread(place, np.asarray(20), np.full_like(place.chunk, epoch), seed)[0].tobytes()
        for epoch in (0, 1)
        for seed in (0, 1)
    }
    assert len(set(laid.values())) == 4
