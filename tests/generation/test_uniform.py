from __future__ import annotations

import numpy as np
from keras import ops

from kpt.generation.uniform import uniform

COUNT = 50_000


def numbers(seed: object, sample: object, position: object) -> np.ndarray:
    return ops.convert_to_numpy(uniform(seed, sample, position))


def test_numbers_are_the_same_on_every_backend_and_for_ever() -> None:
    assert (numbers(7, np.arange(3, dtype=np.int32), 5) * 2**24).astype(int).tolist() == [4413409, 12283984, 7182594]


def test_each_argument_gives_numbers_spread_evenly() -> None:
    each = np.arange(COUNT, dtype=np.int32)
    for drawn in (numbers(each, 0, 0), numbers(0, each, 0), numbers(0, 0, each)):
        assert drawn.dtype == np.float32
        assert drawn.min() >= 0 and drawn.max() < 1
        counts = np.histogram(drawn, bins=100, range=(0, 1))[0]
        assert ((counts - 500) ** 2 / 500).sum() < 149  # chi-squared, 99 degrees of freedom, p = 0.001
        assert abs(np.corrcoef(drawn[1:], drawn[:-1])[0, 1]) < 0.02


def test_arguments_are_not_exchangeable() -> None:
    assert len({float(numbers(*each)) for each in ((1, 2, 3), (3, 2, 1), (2, 1, 3), (1, 3, 2), (2, 3, 1))}) == 5


def test_the_largest_seed() -> None:
    assert 0 <= float(numbers(2**31 - 1, 0, 0)) < 1
