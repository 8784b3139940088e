from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from kpt.data import Batches, TokenStore, Windows, prepare
from kpt.data.noise import keep_probabilities, noise_distribution
from kpt.errors import InputError
from kpt.text import WordTokenizer

Make = Callable[..., TokenStore]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    """Words w1, w2, ... whose frequencies fall, in sentences of 1 to 40 words; a tenth of the words are unknown."""
    generator = np.random.default_rng(5)
    ranks = np.minimum(generator.zipf(1.3, 60_000), 900)
    ends = np.cumsum(generator.integers(1, 41, 4000))
    sentences = [" ".join(f"w{rank}" for rank in part) for part in np.split(ranks, ends[ends < len(ranks)])]
    tokenizer = WordTokenizer.train(sentences, minimum_frequency=40)
    return prepare(sentences, tokenizer, tmp_path_factory.mktemp("words") / "store", split=str.splitlines)


def words_of(batch: dict[str, np.ndarray]) -> np.ndarray:
    """Where words are and no padding."""
    return batch["token_shares"][..., 0] > 0


def test_shapes_and_types(store: TokenStore) -> None:
    windows = Windows(store, length=256, block=32, shared_negatives=7)
    batch = windows.examples(3, 2)
    shapes = {name: (array.shape, array.dtype.name) for name, array in batch.items()}
    assert shapes == {
        "token_ids": ((2, 256), "int32"),
        "before": ((2, 256), "int32"),
        "after": ((2, 256), "int32"),
        "negative_ids": ((2, 8, 7), "int32"),
        "token_shares": ((2, 256, 2), "float32"),
        "negative_shares": ((2, 8, 7, 2), "float32"),
    }


def test_a_batch_depends_on_seed_and_step_alone(store: TokenStore) -> None:
    one, other = Windows(store, length=512, seed=3), Windows(store, length=512, seed=3)
    _ = other.examples(0, 4)
    whole = one.examples(7, 4)
    for name, array in other.examples(7, 4, slice(1, 3)).items():
        np.testing.assert_array_equal(array, whole[name][1:3])
    assert not np.array_equal(Windows(store, length=512, seed=4).examples(7, 4)["token_ids"], whole["token_ids"])
    hosts = [Batches(one, batch_size=4, steps=9, host_index=i, host_count=2).batch(7) for i in range(2)]
    for name, array in whole.items():
        np.testing.assert_array_equal(np.concatenate([host[name] for host in hosts]), array)


@pytest.mark.parametrize("shuffle", [False, True])
def test_an_epoch_goes_once_through_all_words(store: TokenStore, shuffle: bool) -> None:
    windows = Windows(store, length=512, sample=0, shuffle=shuffle)
    total = np.zeros(store.vocabulary.size, int)
    for number in range(windows.examples_per_epoch):
        batch = windows.examples(number, 1)
        total += np.bincount(batch["token_ids"][words_of(batch)], minlength=len(total))
    counts = store.counts()
    counts[0] = 0
    again = windows.examples_per_epoch * windows.words_per_example / store.tokens - 1  # the next epoch's first pieces
    assert 0.995 < total.sum() / counts.sum() < 1.001 + again
    assert np.abs(total / np.maximum(counts, 1) - 1)[counts > 300].max() < 0.1
    assert windows.steps(4, 3) * 4 * windows.words_per_example == pytest.approx(3 * store.tokens, rel=0.05)


@pytest.mark.parametrize("shuffle", [False, True])
def test_the_text_comes_as_it_stands_or_in_another_order_in_every_epoch(store: TokenStore, shuffle: bool) -> None:
    windows = Windows(store, length=512, sample=0, shuffle=shuffle)
    first, second = (
        [windows.examples(epoch * windows.examples_per_epoch + number, 1) for number in range(3)] for epoch in range(2)
    )
    ids = [np.concatenate([batch["token_ids"][words_of(batch)] for batch in some]) for some in (first, second)]
    assert np.array_equal(*ids) != shuffle
    text, _ = store.stream(0, 4 * windows.words_per_example)
    assert np.array_equal(ids[0], text[text != store.vocabulary.unk_id][: len(ids[0])]) != shuffle


def test_every_epoch_has_other_draws(store: TokenStore) -> None:
    windows = Windows(store, length=512)
    first, second = windows.examples(0, 1), windows.examples(windows.examples_per_epoch, 1)
    for name in ("token_ids", "before", "negative_ids"):
        assert not np.array_equal(first[name], second[name])


def test_words_stay_with_their_probability_and_negatives_have_theirs(store: TokenStore) -> None:
    counts = store.counts()
    counts[0] = 0
    keep, noise = keep_probabilities(counts, 1e-3), noise_distribution(counts)
    windows = Windows(store, length=1024, sample=1e-3)
    epochs = 4
    kept, drawn = np.zeros((2, len(counts)))
    for step in range(windows.steps(1, epochs)):
        batch = windows.examples(step, 1)
        kept += np.bincount(batch["token_ids"][words_of(batch)], minlength=len(kept))
        drawn += np.bincount(batch["negative_ids"].ravel(), minlength=len(drawn))
    assert kept[0] == drawn[0] == 0
    some = counts > 500
    np.testing.assert_allclose((kept / epochs / np.maximum(counts, 1))[some], keep[some], rtol=0.1)
    assert kept.sum() / epochs == pytest.approx((counts * keep).sum(), rel=0.01)
    np.testing.assert_allclose((drawn / drawn.sum())[some], noise[some], rtol=0.15)
    np.testing.assert_allclose(windows._shares[:, 1], noise, rtol=1e-6)
    np.testing.assert_allclose(windows._shares[:, 0], counts * keep / (counts * keep).sum(), rtol=1e-6)


def test_windows_are_drawn_evenly_and_end_with_the_sentence(make_store: Make) -> None:
    store = make_store([[list(range(5, 16))] * 40] * 60)
    windows = Windows(store, length=2048, window=4, sample=0)
    batches = [windows.examples(step, 1) for step in range(40)]
    before, after, ids = (
        np.concatenate([b[name].ravel() for b in batches]) for name in ("before", "after", "token_ids")
    )
    used = np.concatenate([words_of(b).ravel() for b in batches])
    before, after, place = before[used], after[used], ids[used] - 5
    assert (before <= np.minimum(place, 4)).all() and (after <= np.minimum(10 - place, 4)).all()
    assert before[place == 0].max() == 0 and after[place == 10].max() == 0
    middle = place == 5
    share = np.bincount(before[middle], minlength=5)[1:] / middle.sum()
    np.testing.assert_allclose(share, 0.25, atol=0.02)
    passage = np.repeat(np.arange(len(batches)), [words_of(b).sum() for b in batches])
    whole = middle & (np.roll(place, 5) == 0) & (np.roll(place, -5) == 10)
    whole &= (np.roll(passage, 5) == passage) & (np.roll(passage, -5) == passage)
    assert (before[whole] == after[whole]).all()  # one window a word, reaching equally far on both sides
    second = place == 1  # one word before it, whatever the window, but for those that begin a piece
    assert before[second].mean() > 0.99 and before[second].max() == 1


def test_context_words_are_neighbours_in_the_text_without_what_was_left_out(make_store: Make) -> None:
    documents = [[[1, 10, 1, 11, 12, 1, 1, 13]] * 4] * 300  # 1 is the unknown token
    windows = Windows(make_store(documents), length=512, sample=0)
    batch = windows.examples(0, 1)
    ids, before, after = (batch[name][0] for name in ("token_ids", "before", "after"))
    for i in np.flatnonzero(words_of(batch)[0])[8:200]:
        around = ids[i - before[i] : i + after[i] + 1].tolist()
        assert around == list(range(around[0], around[0] + len(around)))  # consecutive, within one sentence


def test_views_have_their_own_words(store: TokenStore) -> None:
    train, held_out = store.split(0.2, seed=1)
    np.testing.assert_array_equal(train.counts() + held_out.counts(), store.counts())
    windows = Windows(held_out, length=256, sample=0)
    seen = sum(words_of(windows.examples(step, 1)).sum() for step in range(windows.examples_per_epoch))
    assert seen == pytest.approx(held_out.counts()[1:].sum(), rel=0.05)


def test_counts_may_come_from_elsewhere(store: TokenStore) -> None:
    counts = np.zeros(store.vocabulary.size, int)
    counts[[3, 4]] = 1, 81
    batch = Windows(store, length=512, sample=0, counts=counts).examples(0, 1)
    assert set(np.unique(batch["negative_ids"])) == {3, 4}
    assert set(np.unique(batch["token_ids"][words_of(batch)])) <= {3, 4}
    with pytest.raises(InputError, match="counts for 3 ids"):
        Windows(store, counts=np.ones(3))


def test_hardly_a_word_is_left_out_for_want_of_room(store: TokenStore) -> None:
    windows = Windows(store, length=1024)
    full = [words_of(windows.examples(step, 1)).sum() for step in range(200)]
    assert np.mean(np.array(full) == 1024) < 0.1 and np.mean(full) > 0.85 * 1024


def test_tiny_stores_do(make_store: Make) -> None:
    windows = Windows(make_store([[[5, 6]]]), length=64, sample=0)
    batch = windows.examples(0, 3)
    assert set(np.unique(batch["token_ids"])) <= {0, 5, 6}
    assert batch["before"].max() == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"length": 100}, "a multiple of the block, 32"),
        ({"block": 0}, "block is 0"),
        ({"window": 0}, "window is 0"),
        ({"shared_negatives": 0}, "shared_negatives is 0"),
        ({"sample": -1}, "sample is -1"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_numbers_out_of_range_are_refused(store: TokenStore, arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Windows(store, **arguments)


def test_a_store_without_words_is_refused(make_store: Make) -> None:
    with pytest.raises(InputError, match="no words but unknown ones"):
        Windows(make_store([[[1, 1]]]))
