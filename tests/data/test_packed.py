from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from kpt.data import PackedSequences, TokenStore
from kpt.errors import InputError

MakeStore = Callable[..., TokenStore]
END = 3  # [SEP]: the tests' tokenizer has no token that ends a text


def stream_of(store: TokenStore) -> list[int]:
    """All documents, one token after the other, and the end token after each."""
    return [int(i) for d in range(store.documents) for i in [*np.concatenate(store.document(d)), END]]


def test_blocks_literally(make_store: MakeStore) -> None:
    maker = PackedSequences(make_store([[[10, 11], [12]], [[13]], [[14, 15, 16, 17]]]), length=4, separate=True)
    stream = [10, 11, 12, END, 13, END, 14, 15, 16, 17, END]
    batch = maker.examples(0, 11)
    begins = [
        next(i for i in range(11) if [stream[(i + j) % 11] for j in range(5)] == row)
        for row in batch["token_ids"].tolist()
    ]
    assert sorted(begins) == list(range(11))  # 4 and 11 have no common divisor
    row = begins.index(2)
    assert {name: value[row].tolist() for name, value in batch.items()} == {
        "token_ids": [12, END, 13, END, 14],
        "segment_ids": [0, 0, 1, 1, 2],
        "positions": [0, 1, 0, 1, 0],
    }
    row = begins.index(10)
    assert {name: value[row].tolist() for name, value in batch.items()} == {
        "token_ids": [END, 10, 11, 12, END],
        "segment_ids": [0, 1, 1, 1, 1],
        "positions": [0, 0, 1, 2, 3],
    }
    assert all(value.dtype == np.int32 for value in batch.values())


def test_every_token_is_once_an_input_and_once_a_label_of_each_pass(make_store: MakeStore) -> None:
    # Ids that no two tokens share, so that counting ids counts tokens; END is there once a document.
    store = make_store([[list(range(5, 18))], [[18, 19], [20]], [list(range(21, 60))]])
    length, stream = 7, stream_of(store)
    maker = PackedSequences(store, length=length, seed=4)
    assert len(stream) == 58 and maker.examples_per_epoch == 9
    every = maker.examples(0, len(stream))["token_ids"]  # as many blocks as the stream has tokens: `length` passes
    expected = np.bincount(stream) * length
    assert np.array_equal(np.bincount(every[:, :-1].ravel()), expected)
    assert np.array_equal(np.bincount(every[:, 1:].ravel()), expected)
    # One epoch has every token once, but for the block at its seam.
    first = -(-58 // length)
    counts = np.bincount(every[:first, :-1].ravel(), minlength=60)[5:]
    assert set(counts.tolist()) <= {1, 2} and counts.sum() - len(counts) < length


def test_an_epoch_of_a_stream_that_its_length_divides_has_every_token_exactly_once(make_store: MakeStore) -> None:
    store = make_store([[list(range(5, 12))], [list(range(12, 27))]])
    maker = PackedSequences(store, length=6, seed=1)
    assert maker.examples_per_epoch == 4
    for epoch in range(3):
        tokens = maker.examples(epoch, 4)["token_ids"]
        assert sorted(tokens[:, :-1].ravel().tolist()) == sorted(tokens[:, 1:].ravel().tolist())
        assert sorted(tokens[:, :-1].ravel().tolist()) == sorted(stream_of(store))
    orders = [maker.examples(epoch, 4)["token_ids"].tolist() for epoch in range(4)]
    assert len({str(order) for order in orders}) > 1


@pytest.mark.parametrize("part", ["whole", "view"])
def test_examples_are_pieces_of_the_stream(store_by_position: TokenStore, part: str) -> None:
    store = store_by_position if part == "whole" else store_by_position.split(0.3)[1]
    maker = PackedSequences(store, length=48, separate=True, seed=2)
    stream = np.array(stream_of(store))
    batch = maker.examples(3, 2 * maker.examples_per_epoch)
    twice = np.concatenate([stream, stream])
    first_of = {int(token): i for i, token in enumerate(stream) if token != END}
    for ids, segments, positions in zip(*batch.values(), strict=True):
        lead = int(np.argmax(ids != END))
        begin = first_of[int(ids[lead])] - lead
        assert np.array_equal(ids, twice[begin % len(stream) :][:49])
        ended = np.concatenate([[False], ids[:-1] == END])
        assert np.array_equal(segments, np.cumsum(ended))
        assert np.array_equal(positions, by_hand(ended))


def by_hand(ended: np.ndarray) -> list[int]:
    positions, position = [], 0
    for after_end in ended.tolist():
        position = 0 if after_end else position
        positions.append(position)
        position += 1
    return positions


def test_a_corpus_shorter_than_a_block_goes_round(make_store: MakeStore) -> None:
    maker = PackedSequences(make_store([[[10]], [[11, 12]]]), length=12)
    text = "".join(map(chr, [10, END, 11, 12, END] * 5))
    for row in maker.examples(0, 6)["token_ids"]:
        assert "".join(map(chr, row)) in text


def test_rows_steps_and_seeds(store_by_position: TokenStore) -> None:
    maker = PackedSequences(store_by_position, length=32)
    whole = maker.examples(3, 40)["token_ids"]
    assert np.array_equal(maker.examples(3, 40, slice(10, 20))["token_ids"], whole[10:20])
    assert np.array_equal(maker.examples(1, 80)["token_ids"][40:], whole)
    assert not np.array_equal(maker.examples(4, 40)["token_ids"], whole)
    assert not np.array_equal(PackedSequences(store_by_position, length=32, seed=1).examples(3, 40)["token_ids"], whole)


def test_the_same_seed_and_step_give_the_same_bytes_in_another_process(store_by_position: TokenStore) -> None:
    code = (
        "import sys, hashlib; from kpt.data import TokenStore, PackedSequences\n"
        "batch = PackedSequences(TokenStore.open(sys.argv[1]), length=64, seed=9).examples(12345678, 64)\n"
        "print(hashlib.sha256(batch['token_ids'].tobytes()).hexdigest())"
    )
    command = [sys.executable, "-c", code, store_by_position.folder]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    batch = PackedSequences(store_by_position, length=64, seed=9).examples(12345678, 64)
    assert done.stdout.strip() == hashlib.sha256(batch["token_ids"].tobytes()).hexdigest()


def test_shards_do_not_show(store_by_document: TokenStore) -> None:
    # `store_by_document` has shards of 7,000 tokens; every token of document d has the id 5 + d.
    maker = PackedSequences(store_by_document, length=500)
    assert len(store_by_document.manifest["shards"]) > 3
    ids = maker.examples(0, maker.examples_per_epoch)["token_ids"].astype(np.int64)
    inside = (ids[:, 1:] != END) & (ids[:, :-1] != END)
    assert (np.diff(ids, axis=1)[inside] == 0).all()


@pytest.mark.parametrize(
    ("options", "message"), [({"length": 0}, "the length is 0; give at least 1"), ({"seed": -1}, "seed is -1")]
)
def test_bad_settings(make_store: MakeStore, options: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        PackedSequences(make_store([[[5]]]), **options)  # type: ignore[arg-type]
