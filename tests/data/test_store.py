from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kpt.data import TokenStore
from kpt.errors import InputError
from tests.data.conftest import random_documents, tokenizer_of

THREE = [[[5, 6], [7]], [[8, 9, 10]], [[11], [12], [13, 14]]]

MakeStore = Callable[..., TokenStore]


def flip_byte(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(bytes(content))


def as_lists(store: TokenStore) -> list[list[list[int]]]:
    return [[sentence.tolist() for sentence in store.document(i)] for i in range(store.documents)]


@pytest.mark.parametrize("shard_tokens", [1, 4, 1000])
def test_documents_and_sentences(make_store: MakeStore, shard_tokens: int) -> None:
    store = make_store(THREE, shard_tokens=shard_tokens)
    assert as_lists(store) == THREE
    assert (store.documents, store.sentences, store.tokens) == (3, 6, 10)
    assert store.summary == {"documents": 3, "sentences": 6, "tokens": 10, "bytes": 0, "problems": {}}
    with pytest.raises(IndexError, match="document 3 is not below 3"):
        store.document(3)


def test_large_ids_survive(make_store: MakeStore) -> None:
    store = make_store([[[5, 65_536]], [[70_000]]], size=70_001)
    assert as_lists(store) == [[[5, 65_536]], [[70_000]]]
    assert store.document(0)[0].dtype == np.uint32


def test_positions(make_store: MakeStore) -> None:
    store = make_store(THREE, shard_tokens=4)
    assert [part.tolist() for part in store.document_spans(np.arange(3))] == [[0, 3, 6], [3, 6, 10]]
    assert store.sentences_at(np.arange(10)).tolist() == [0, 0, 1, 2, 2, 2, 3, 4, 5, 5]
    assert store.sentence_starts(np.arange(6)).tolist() == [0, 2, 3, 6, 7, 8]
    out = np.zeros((3, 5), np.int32)
    store.copy_tokens(out, np.array([0, 1, 2]), np.array([7, 0, 4]), np.array([3, 3, 2]))
    assert out.tolist() == [[12, 13, 14, 0, 0], [0, 5, 6, 7, 0], [0, 0, 9, 10, 0]]


def test_the_tokenizer_travels_with_the_store(make_store: MakeStore) -> None:
    store = make_store(THREE, size=30, continuation_every=4)
    assert store.vocabulary.size == 30 and store.vocabulary.tokens[8] == "##w8"
    store.check_tokenizer(tokenizer_of(30, 4))
    with pytest.raises(InputError, match=r"was written with another tokenizer .*prepare the text again"):
        store.check_tokenizer(tokenizer_of(30))


def test_split_divides_the_documents(make_store: MakeStore) -> None:
    documents = [[[5 + i] * (1 + i % 3)] * (1 + i % 2) for i in range(60)]
    store = make_store(documents)
    train, held_out = store.split(0.2, seed=3)
    assert (train.documents, held_out.documents) == (48, 12)
    assert (train.sentences + held_out.sentences, train.tokens + held_out.tokens) == (store.sentences, store.tokens)
    assert sorted(as_lists(train) + as_lists(held_out)) == sorted(documents)
    assert [as_lists(view) for view in store.split(0.2, seed=3)] == [as_lists(train), as_lists(held_out)]
    assert as_lists(store.split(0.2, seed=4)[1]) != as_lists(held_out)
    for view in (train, held_out):
        start, stop = view.document_spans(np.arange(view.documents))
        assert (stop - start).tolist() == [sum(map(len, document)) for document in as_lists(view)]
        assert view.tokens == (stop - start).sum()


def test_split_keeps_a_document_on_each_side(make_store: MakeStore) -> None:
    store = make_store(THREE)
    assert [view.documents for view in store.split(0.001)] == [2, 1]
    assert [view.documents for view in store.split(0.999)] == [1, 2]


def test_split_literally(make_store: MakeStore) -> None:
    store = make_store([[[5 + i]] for i in range(20)])
    assert [document[0][0] - 5 for document in as_lists(store.split(0.25, seed=0)[1])] == [2, 3, 5, 10, 18]


def test_bad_splits(make_store: MakeStore) -> None:
    store = make_store(THREE)
    for share in (0, 1, -0.5):
        with pytest.raises(InputError, match="held-out share is"):
            store.split(share)
    for seed in (-1, 1 << 63, 1 << 64):
        with pytest.raises(InputError, match=r"the seed is -?\d+; give a number from 0 to 2\^63 - 1"):
            store.split(0.5, seed=seed)
    assert store.split(0.5, seed=(1 << 63) - 1)[1].documents
    with pytest.raises(InputError, match="split the whole store"):
        store.split(0.5)[0].split(0.5)


def test_one_document_cannot_be_split(make_store: MakeStore) -> None:
    with pytest.raises(InputError, match="has one document"):
        make_store([[[5]]]).split()


def test_lost_last_bytes_are_named(make_store: MakeStore) -> None:
    folder = make_store(THREE, shard_tokens=4).folder
    shard = folder / "tokens-00001.bin"
    shard.write_bytes(shard.read_bytes()[:-2])
    for verify in (True, False):
        with pytest.raises(InputError, match=r"tokens-00001.bin of the token store .* has 6 bytes instead of 8"):
            TokenStore.open(folder, verify)


@pytest.mark.parametrize("name", ["tokens-00001.bin", "sentence_tokens.bin", "tokenizer/vocab.txt"])
def test_one_flipped_byte_is_named(make_store: MakeStore, name: str) -> None:
    folder = make_store(THREE, shard_tokens=4).folder
    flip_byte(folder / name, 3)
    with pytest.raises(InputError, match=f"{name} of the token store .* is damaged .*prepare it again"):
        TokenStore.open(folder)


def test_a_missing_file_is_named(make_store: MakeStore) -> None:
    folder = make_store(THREE).folder
    (folder / "document_tokens.bin").unlink()
    with pytest.raises(InputError, match=r"lacks its file document_tokens.bin"):
        TokenStore.open(folder)


def test_what_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is no token store \(it has no manifest.json\)"):
        TokenStore.open(tmp_path / "nothing")
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(InputError, match=r"manifest.json cannot be read"):
        TokenStore.open(tmp_path)
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(InputError, match=r"is not the manifest of a token store"):
        TokenStore.open(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "has format version 2, this kpt reads 1"),
        ({"dtype": "float32"}, "is incomplete"),
        ({"documents": "3"}, "is incomplete"),
        ({"files": []}, "is incomplete"),
        ({"files": [{"file": "../secret", "bytes": 1, "sha256": ""}]}, "is incomplete"),
        ({"shards": ["/etc/passwd"]}, "is incomplete"),
        ({"documents": 4}, "are not those of its files"),
        ({"tokens": 11}, "are not those of its files"),
        ({"dtype": "uint32"}, "are not those of its files"),
    ],
)
def test_manifests_that_lie(make_store: MakeStore, change: dict[str, object], message: str) -> None:
    path = make_store(THREE).folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=message):
        TokenStore.open(path.parent)


def test_a_stream_is_the_documents_one_after_the_other(make_store: MakeStore) -> None:
    generator = np.random.default_rng(4)
    documents = [[generator.integers(5, 99, n) for n in lengths] for lengths in random_documents(30, seed=9)]
    store = make_store(documents, shard_tokens=50)
    train, _ = store.split(0.3, seed=2)
    for view in (store, train):
        stream = np.concatenate([s for d in range(view.documents) for s in view.document(d)])
        starts = np.cumsum([0, *(len(s) for d in range(view.documents) for s in view.document(d))])[:-1]
        for start, stop in ((0, 7), (3, 200), (40, 41), (0, view.tokens), (view.tokens - 3, view.tokens + 9), (5, 5)):
            ids, begins = view.stream(start, stop)
            np.testing.assert_array_equal(ids, stream[start:stop])
            expected = starts[(starts >= start) & (starts < min(stop, view.tokens))] - start
            np.testing.assert_array_equal(begins, expected)
