from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

from kpt.data import SentencePairs, TokenStore
from kpt.errors import InputError
from kpt.objectives.masking import mask_tokens

MakeStore = Callable[..., TokenStore]


class Pairs(NamedTuple):
    """Examples taken apart: id and size of A and B, from their first to their last token."""

    first: np.ndarray
    first_size: np.ndarray
    second: np.ndarray
    second_size: np.ndarray
    labels: np.ndarray


def take_apart(batch: dict[str, np.ndarray]) -> Pairs:
    """Read the segments off the inputs, and check [CLS] A [SEP] B [SEP] and its segment ids and mask on the way."""
    ids, segments, padding = batch["token_ids"], batch["segment_ids"], batch["padding_mask"]
    rows, length = np.arange(len(ids)), ids.shape[1]
    size = np.count_nonzero(padding, axis=1)
    second_size = np.count_nonzero(segments, axis=1) - 1
    first_size = size - second_size - 3
    columns = np.arange(length)
    assert np.array_equal(padding, columns < size[:, None])
    assert np.array_equal(segments == 1, (columns >= (first_size + 2)[:, None]) & padding)
    assert (ids[~padding] == 0).all() and (ids[:, 0] == 2).all()
    assert (ids[rows, first_size + 1] == 3).all() and (ids[rows, size - 1] == 3).all()
    assert np.count_nonzero(ids[padding] < 5) == 3 * len(ids)
    return Pairs(ids[rows, 1], first_size, ids[rows, first_size + 2], second_size, batch["next_sentence_labels"])


def test_statistics_of_a_hundred_thousand_examples(store_by_document: TokenStore) -> None:
    maker = SentencePairs(store_by_document, length=64)
    labels, sizes = [], []
    chosen = candidates = masked = kept = 0
    for step in range(10):
        batch = maker.examples(step, 10_000)
        pairs = take_apart(batch)
        assert ((pairs.first == pairs.second) == (pairs.labels == 0)).all()  # each document has an id of its own
        assert (pairs.first_size > 0).all() and (pairs.second_size > 0).all()
        hidden, positions, mask_labels, weights = mask_tokens(
            batch["token_ids"], batch["padding_mask"], maker.vocabulary, np.random.default_rng(step)
        )
        used = weights > 0
        shown = np.take_along_axis(hidden, positions, 1)[used]
        chosen, candidates = chosen + used.sum(), candidates + (batch["token_ids"] >= 5).sum()
        masked, kept = masked + (shown == 4).sum(), kept + (shown == mask_labels[used]).sum()
        labels.append(pairs.labels)
        sizes.append(pairs.first_size + pairs.second_size)
    label, size = np.concatenate(labels), np.concatenate(sizes)
    assert label.mean() == pytest.approx(0.5, rel=0.01)
    assert chosen / candidates == pytest.approx(0.15, rel=0.01)
    assert masked / chosen == pytest.approx(0.8, rel=0.01)
    assert kept / chosen == pytest.approx(0.1 + 0.1 / 400, rel=0.01)
    assert np.count_nonzero(size == 61) / len(size) > 0.75
    assert size[label == 0].mean() == pytest.approx(size[label == 1].mean(), rel=0.02)


def test_next_sentences_follow_and_random_ones_are_runs_of_another_document(store_by_position: TokenStore) -> None:
    maker = SentencePairs(store_by_position, length=64, seed=2)
    batch = maker.examples(0, 5000)
    pairs = take_apart(batch)
    stops = store_by_position.document_spans(np.arange(store_by_position.documents))[1]
    follows = pairs.second == pairs.first + pairs.first_size
    assert np.array_equal(follows, pairs.labels == 0)
    own, other = (np.searchsorted(stops, ids - 5, side="right") for ids in (pairs.first, pairs.second))
    last = np.searchsorted(stops, pairs.second + pairs.second_size - 1 - 5, side="right")
    assert np.array_equal(own == other, pairs.labels == 0) and np.array_equal(other, last)
    steps = np.diff(batch["token_ids"], axis=1)
    inside = (batch["token_ids"][:, 1:] >= 5) & (batch["token_ids"][:, :-1] >= 5)
    assert (steps[inside] == 1).all()


def test_segments_start_at_sentences_or_else_at_words(store_by_position: TokenStore) -> None:
    pairs = take_apart(SentencePairs(store_by_position, length=64).examples(0, 5000))
    starts = set((store_by_position.sentence_starts(np.arange(store_by_position.sentences)) + 5).tolist())
    assert all(token in starts for token in pairs.first.tolist())
    inside = np.array([token not in starts for token in pairs.second.tolist()])
    assert 0 < inside.mean() < 0.2
    continuation = store_by_position.vocabulary.continuation
    assert continuation[pairs.second[inside]].mean() < 0.02
    assert pairs.labels[inside].mean() == pytest.approx(0.5, abs=0.1)


def test_short_targets(store_by_document: TokenStore) -> None:
    def share_of_full(probability: float) -> float:
        pairs = take_apart(
            SentencePairs(store_by_document, length=32, short_probability=probability).examples(0, 20_000)
        )
        return float(np.mean(pairs.first_size + pairs.second_size == 29))

    never, some, always = share_of_full(0.0), share_of_full(0.1), share_of_full(1.0)
    assert some == pytest.approx(0.9 * never + 0.1 * always, abs=0.01)
    assert always < 0.06
    pairs = take_apart(SentencePairs(store_by_document, length=32, short_probability=1.0).examples(0, 20_000))
    assert set((pairs.first_size + pairs.second_size).tolist()) == set(range(2, 30))


def test_two_small_documents_literally(make_store: MakeStore) -> None:
    store = make_store([[[10, 11], [12]], [[20, 21], [22]]])
    maker = SentencePairs(store, length=8, short_probability=0.0)
    assert maker.examples_per_epoch == 2
    rows = {tuple(row) for row in maker.examples(0, 200)["token_ids"].tolist()}
    assert rows == {
        (2, 10, 11, 3, 12, 3, 0, 0),
        (2, 10, 11, 3, 22, 3, 0, 0),
        (2, 10, 11, 3, 20, 3, 0, 0),
        (2, 20, 21, 3, 22, 3, 0, 0),
        (2, 20, 21, 3, 12, 3, 0, 0),
        (2, 20, 21, 3, 10, 3, 0, 0),
    }


def test_a_document_of_one_sentence_is_divided_at_a_word_and_a_single_word_anywhere(make_store: MakeStore) -> None:
    store = make_store([[[10, 8, 11]], [[21, 8, 12]], [[30]]], continuation_every=4)
    maker = SentencePairs(store, length=8, short_probability=0.0)
    batch = maker.examples(0, 300)
    true = {tuple(row) for row in batch["token_ids"][batch["next_sentence_labels"] == 0].tolist()}
    assert true == {(2, 10, 8, 3, 11, 3, 0, 0), (2, 21, 3, 8, 12, 3, 0, 0), (2, 21, 8, 3, 12, 3, 0, 0)}
    assert not np.isin(batch["token_ids"], 30).any()  # one token cannot be divided


def test_the_least_length(store_by_position: TokenStore) -> None:
    pairs = take_apart(SentencePairs(store_by_position, length=5).examples(0, 5000))
    assert set(pairs.first_size.tolist()) == set(pairs.second_size.tolist()) == {1}
    assert np.array_equal(pairs.second == pairs.first + 1, pairs.labels == 0)


def test_views_keep_to_their_documents(store_by_document: TokenStore) -> None:
    train, held_out = store_by_document.split(0.1)
    ids = [set(np.unique(SentencePairs(view, length=32).examples(0, 3000)["token_ids"])) for view in (train, held_out)]
    assert ids[0] & ids[1] == {0, 2, 3}
    assert len(ids[1]) == 40 + 3 - sum(view_sizes(held_out) < 2)


def view_sizes(store: TokenStore) -> np.ndarray:
    start, stop = store.document_spans(np.arange(store.documents))
    return stop - start


def test_rows_are_those_of_the_whole_batch_and_steps_differ(store_by_position: TokenStore) -> None:
    maker = SentencePairs(store_by_position, length=48)
    whole = maker.examples(7, 50)
    parts = [maker.examples(7, 50, rows) for rows in (slice(0, 3), slice(3, 40), slice(40, 50))]
    assert all(np.array_equal(np.concatenate([part[key] for part in parts]), whole[key]) for key in whole)
    assert not np.array_equal(maker.examples(8, 50)["token_ids"], whole["token_ids"])
    merged = maker.examples(3, 100)
    assert np.array_equal(merged["token_ids"][50:], whole["token_ids"])


def test_the_same_seed_and_step_give_the_same_bytes_in_another_process(store_by_position: TokenStore) -> None:
    code = (
        "import sys, hashlib; from kpt.data import TokenStore, SentencePairs\n"
        "batch = SentencePairs(TokenStore.open(sys.argv[1]), length=64, seed=9).examples(123456789, 64)\n"
        "print(hashlib.sha256(b''.join(batch[key].tobytes() for key in sorted(batch))).hexdigest())"
    )
    command = [sys.executable, "-c", code, store_by_position.folder]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    batch = SentencePairs(store_by_position, length=64, seed=9).examples(123456789, 64)
    assert done.stdout.strip() == hashlib.sha256(b"".join(batch[key].tobytes() for key in sorted(batch))).hexdigest()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 4}, "the length is 4; give at least 5"),
        ({"short_probability": 1.5}, "short_probability is 1.5"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_bad_settings(make_store: MakeStore, options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SentencePairs(make_store([[[5, 6]], [[7, 8]]]), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("documents", [[[[5, 6], [7]]], [[[5, 6], [7]], [[8]]]], ids=["one", "one that can be divided"])
def test_one_document_has_no_other(make_store: MakeStore, documents: list[list[list[int]]]) -> None:
    with pytest.raises(InputError, match="has 1 documents of two tokens or more, so no other document"):
        SentencePairs(make_store(documents))
