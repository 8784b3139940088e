from __future__ import annotations

import numpy as np
import pytest

from kpt.errors import InputError
from kpt.objectives.masking import mask_tokens, prediction_slots
from kpt.text import Vocabulary

#: Ids 0 to 4 are special, as is 7; odd ids from 9 on continue a word.
VOCABULARY = Vocabulary.from_tokens(
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "[X]", "c"]
    + [f"##w{i}" if i % 2 else f"w{i}" for i in range(9, 1000)],
    others=["[X]"],
)


def batch_of(rows: int, length: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Sequences [CLS] A [SEP] B [SEP] of full length, some special tokens within."""
    ids = np.random.default_rng(seed).integers(5, VOCABULARY.size, (rows, length))
    ids[:, 0], ids[:, length // 2], ids[:, -1] = 2, 3, 3
    return ids.astype(np.int32), np.ones((rows, length), np.bool_)


def words_of(row: np.ndarray) -> list[list[int]]:
    """Positions of the words of a sequence, found one token after the other."""
    words: list[list[int]] = []
    for position, token in enumerate(row.tolist()):
        if token in VOCABULARY.special_ids:
            words.append([])
        elif VOCABULARY.continuation[token] and words and words[-1]:
            words[-1].append(position)
        else:
            words.append([position])
    return [word for word in words if word]


def test_slots() -> None:
    assert [prediction_slots(length) for length in (1, 128, 512)] == [1, 20, 77]
    assert prediction_slots(128, whole_words=True) == 24


def test_a_small_batch_in_full() -> None:
    ids = np.array([[2, 5, 6, 8, 3, 0], [2, 5, 3, 0, 0, 0], [2, 3, 0, 0, 0, 0]])
    hidden, positions, labels, weights = mask_tokens(ids, ids > 0, VOCABULARY, np.random.default_rng(2), rate=0.5)
    assert hidden.tolist() == [[2, 4, 6, 4, 3, 0], [2, 571, 3, 0, 0, 0], [2, 3, 0, 0, 0, 0]]
    assert positions.tolist() == [[1, 3, 0], [1, 0, 0], [0, 0, 0]]
    assert labels.tolist() == [[5, 8, 0], [5, 0, 0], [0, 0, 0]]
    assert weights.tolist() == [[1, 1, 0], [1, 0, 0], [0, 0, 0]]
    assert [array.dtype.name for array in (hidden, positions, labels, weights)] == ["int32"] * 3 + ["float32"]
    assert ids.tolist()[0] == [2, 5, 6, 8, 3, 0]


def test_rates_over_a_hundred_thousand_sequences() -> None:
    chosen = masked = kept = candidates = 0
    for seed in range(10):
        ids, padding = batch_of(10_000, 128, seed)
        padding[:, 100:] = seed % 2 == 0
        hidden, positions, labels, weights = mask_tokens(ids, padding, VOCABULARY, np.random.default_rng(seed))
        used = weights > 0
        shown = np.take_along_axis(hidden, positions, 1)[used]
        candidates += np.count_nonzero(padding & ~np.isin(ids, VOCABULARY.special_ids))
        chosen += np.count_nonzero(used)
        masked += np.count_nonzero(shown == VOCABULARY.mask_id)
        kept += np.count_nonzero(shown == labels[used])
        assert not np.isin(shown[shown != VOCABULARY.mask_id], VOCABULARY.special_ids).any()
        assert not np.isin(labels[used], VOCABULARY.special_ids).any()
    assert chosen / candidates == pytest.approx(0.15, rel=0.002)
    assert masked / chosen == pytest.approx(0.8, rel=0.01)
    assert kept / chosen == pytest.approx(0.1 + 0.1 / 994, rel=0.01)


def test_positions_are_distinct_ascending_and_all_that_changed() -> None:
    ids, padding = batch_of(500, 64)
    hidden, positions, labels, weights = mask_tokens(ids, padding, VOCABULARY, np.random.default_rng(0))
    for row in range(500):
        used = positions[row][weights[row] > 0].tolist()
        assert used == sorted(set(used)) and positions[row].tolist() == used + [0] * (10 - len(used))
        assert labels[row].tolist() == ids[row][used].tolist() + [0] * (10 - len(used))
        assert set(np.flatnonzero(hidden[row] != ids[row]).tolist()) <= set(used)


def test_each_token_is_chosen_equally_often() -> None:
    ids = np.full((40_000, 20), 5)
    _, positions, _, _ = mask_tokens(ids, ids > 0, VOCABULARY, np.random.default_rng(0))
    assert np.bincount(positions.ravel(), minlength=20) / 40_000 == pytest.approx(np.full(20, 0.15), rel=0.06)


def test_random_replacements_are_uniform_over_the_pieces_that_are_not_special() -> None:
    small = Vocabulary.from_tokens(["[PAD]", "a", "[UNK]", "[CLS]", "b", "[SEP]", "c", "[MASK]", "d"])
    ids = np.full((60_000, 10), small.index["a"])
    hidden, *_ = mask_tokens(ids, np.ones_like(ids, np.bool_), small, np.random.default_rng(0), rate=0.5)
    counts = np.bincount(hidden.ravel(), minlength=9)
    assert counts[[0, 2, 3, 5]].tolist() == [0, 0, 0, 0]
    assert counts[[4, 6, 8]] / 300_000 == pytest.approx(np.full(3, 0.025), rel=0.03)


def test_whole_words_stay_whole_and_the_rate_holds() -> None:
    chosen = candidates = 0
    for seed in range(2):
        ids, padding = batch_of(1000, 128, seed)
        _, positions, _, weights = mask_tokens(ids, padding, VOCABULARY, np.random.default_rng(seed), whole_words=True)
        assert positions.shape == (1000, 24)
        for row in range(1000):
            used = set(positions[row][weights[row] > 0].tolist())
            assert used and all(not used & set(word) or set(word) <= used for word in words_of(ids[row]))
        chosen += np.count_nonzero(weights)
        candidates += np.count_nonzero(~np.isin(ids, VOCABULARY.special_ids))
    assert chosen / candidates == pytest.approx(0.15, rel=0.005)


def test_a_word_with_more_pieces_than_slots_is_never_chosen() -> None:
    ids = np.array([[2, 10, 11, 11, 11, 6, 3]] * 200)
    _, positions, _, weights = mask_tokens(
        ids, ids > 0, VOCABULARY, np.random.default_rng(0), whole_words=True, predictions=2
    )
    assert {tuple(row) for row in positions.tolist()} == {(5, 0)}
    assert weights.sum(axis=1).tolist() == [1] * 200
    ids = np.array([[2, 10, 11, 11, 11, 3]])
    _, _, _, weights = mask_tokens(ids, ids > 0, VOCABULARY, np.random.default_rng(0), whole_words=True, predictions=1)
    assert weights.tolist() == [[0]]


def test_more_slots_than_tokens_and_fewer_slots_than_the_budget() -> None:
    ids = np.array([[2, 5, 6, 3]])
    _, positions, _, weights = mask_tokens(ids, ids > 0, VOCABULARY, np.random.default_rng(0), predictions=6)
    assert positions.shape == weights.shape == (1, 6) and weights.sum() == 1
    ids, padding = batch_of(50, 128)
    _, positions, _, weights = mask_tokens(ids, padding, VOCABULARY, np.random.default_rng(0), predictions=4)
    assert positions.shape == (50, 4) and weights.sum() == 200


def test_the_generator_decides_all() -> None:
    ids, padding = batch_of(8, 128)
    first, again = (mask_tokens(ids, padding, VOCABULARY, np.random.default_rng(7)) for _ in range(2))
    other = mask_tokens(ids, padding, VOCABULARY, np.random.default_rng(8))
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert not np.array_equal(first[1], other[1])


@pytest.mark.parametrize(
    ("options", "message"),
    [({"rate": 0}, "rate is 0"), ({"rate": 1.0}, "rate is 1.0"), ({"predictions": 0}, "predictions is 0")],
)
def test_bad_settings(options: dict[str, float], message: str) -> None:
    ids, padding = batch_of(1, 8)
    with pytest.raises(InputError, match=message):
        mask_tokens(ids, padding, VOCABULARY, np.random.default_rng(0), **options)


def test_shapes_that_differ_and_a_vocabulary_of_special_tokens() -> None:
    ids, padding = batch_of(1, 8)
    with pytest.raises(InputError, match="must share a shape"):
        mask_tokens(ids, padding[:, 1:], VOCABULARY, np.random.default_rng(0))
    bare = Vocabulary.from_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    with pytest.raises(InputError, match="special tokens only"):
        mask_tokens(np.array([[2, 3]]), np.array([[True, True]]), bare, np.random.default_rng(0))
