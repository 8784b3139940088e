from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from kpt.data.permutation import permute, random_bits, random_integers


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 64, 1000, 65_537])
def test_permute_is_a_bijection(size: int) -> None:
    for key in (0, 1, 2**63):
        assert np.array_equal(np.sort(permute(np.arange(size), size, key)), np.arange(size))


def test_keys_give_different_orders_and_may_differ_by_index() -> None:
    index = np.arange(1000)
    orders = [permute(index, 1000, key) for key in range(20)]
    assert len({order.tobytes() for order in orders}) == 20
    mixed = permute(index, 1000, np.where(index < 500, 3, 7))
    assert np.array_equal(mixed[:500], orders[3][:500]) and np.array_equal(mixed[500:], orders[7][500:])


def test_an_order_has_no_visible_pattern() -> None:
    order = permute(np.arange(100_000), 100_000, 5)
    assert abs(np.corrcoef(np.arange(100_000), order)[0, 1]) < 0.01
    assert abs(np.corrcoef(order[:-1], order[1:])[0, 1]) < 0.01
    steps = np.diff(order)
    assert np.count_nonzero(np.abs(steps) == 1) < 10


def test_large_sizes_need_no_memory() -> None:
    places = permute(np.arange(10_000), 10**15 + 7, key=1)
    assert len(set(places.tolist())) == 10_000 and places.min() >= 0 and places.max() < 10**15 + 7
    assert places.mean() / 1e15 == pytest.approx(0.5, abs=0.02)


def test_bits_are_even_and_independent_of_each_other() -> None:
    bits = random_bits(3, np.arange(50_000)[:, None], np.arange(2))
    assert bits.shape == (50_000, 2) and bits.dtype == np.uint64
    ones = [(np.count_nonzero(bits & np.uint64(1 << i)) / bits.size) for i in range(64)]
    assert ones == pytest.approx([0.5] * 64, abs=0.01)
    fractions = random_integers(bits, 1 << 53) / 2.0**53
    assert abs(np.corrcoef(fractions.T)[0, 1]) < 0.015


def test_integers_are_uniform_below_their_bound() -> None:
    numbers = random_integers(random_bits(0, np.arange(70_000)), 7)
    assert np.bincount(numbers) / 10_000 == pytest.approx(np.ones(7), rel=0.05)
    assert random_integers(np.array([0, 2**64 - 1], np.uint64), np.array([5, 5])).tolist() == [0, 4]


def test_literal_values_that_stores_and_runs_depend_on() -> None:
    assert random_bits(0, np.arange(3)).tolist() == [12035550249420947055, 12935080325729570654, 7141179953334974231]
    code = "from kpt.data.permutation import *; import numpy; print(permute(numpy.arange(9), 9, 42).tolist())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{permute(np.arange(9), 9, 42).tolist()}\n" == "[8, 0, 3, 2, 4, 6, 7, 5, 1]\n"
