from __future__ import annotations

import numpy as np
import pytest

from kpt.data.length_buckets import bucketed_batches, padded_width, sorted_batches

SIZES = np.random.default_rng(0).geometric(0.05, 1000)


def padding(batches: list[np.ndarray]) -> float:
    """Slots that are padding for each that is a token."""
    return sum(len(batch) * padded_width(SIZES[batch].max(), 512) for batch in batches) / SIZES.sum() - 1


def test_an_epoch_has_each_text_once() -> None:
    batches = bucketed_batches(SIZES, 32, seed=1, epoch=0)
    assert sorted(np.concatenate(batches).tolist()) == list(range(1000))
    assert sorted(map(len, batches)) == [8] + [32] * 31


def test_batches_are_a_function_of_seed_and_epoch() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return np.concatenate(bucketed_batches(SIZES, 32, seed, epoch)).tolist()

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3) and order(1, 2) != order(2, 2)


def test_texts_meet_others_in_each_epoch() -> None:
    def companions(epoch: int) -> set[frozenset[int]]:
        return {frozenset(batch.tolist()) for batch in bucketed_batches(SIZES, 32, 0, epoch)}

    assert not companions(0) & companions(1)


def test_there_is_far_less_padding_than_in_batches_of_any_length() -> None:
    random = np.array_split(np.random.default_rng(1).permutation(1000), 32)
    assert padding(random) > 3
    assert padding(bucketed_batches(SIZES, 32, 0, 0)) < 0.8
    assert padding(sorted_batches(SIZES, 32)) < 0.4


@pytest.mark.parametrize(("batches", "pools"), [(3, 3), (4, 4), (8, 4), (31, 5), (32, 2), (60, 2), (600, 3)])
def test_a_part_of_an_epoch_is_sorted_together(batches: int, pools: int) -> None:
    """Batches of one pool share no length where all lengths differ, so that at most one of each pool has one."""
    sizes = np.random.default_rng(2).permutation(32 * batches)
    of_length = np.zeros(len(sizes), int)
    for batch in bucketed_batches(sizes, 32, 0, 0):
        of_length[sizes[batch].min() : sizes[batch].max() + 1] += 1
    assert of_length.max() == pools


def test_the_order_of_lengths_within_an_epoch_is_random() -> None:
    widths = [SIZES[batch].max() for batch in bucketed_batches(SIZES, 32, 0, 0)]
    assert abs(np.corrcoef(widths, np.arange(len(widths)))[0, 1]) < 0.5


def test_few_texts_make_one_batch() -> None:
    assert [batch.tolist() for batch in bucketed_batches(np.array([4]), 32, 0, 0)] == [[0]]
    assert sorted(bucketed_batches(np.array([4, 1, 2]), 32, 0, 0)[0].tolist()) == [0, 1, 2]


def test_widths_are_few_and_hold_the_longest() -> None:
    widths = {size: padded_width(size, 512) for size in range(1, 513)}
    assert all(width >= size for size, width in widths.items())
    assert len(set(widths.values())) == 20
    assert padded_width(0, 512) == 8
