from __future__ import annotations

import numpy as np

from kpt.layers import count_tokens
from tests.numbers import array


def test_tokens_that_count_are_counted_by_row() -> None:
    generator = np.random.default_rng(0)
    token_ids, counted = generator.integers(0, 6, (4, 9)), generator.random((4, 9)) < 0.6
    expected = [np.bincount(row[there], minlength=6) for row, there in zip(token_ids, counted, strict=True)]
    np.testing.assert_array_equal(array(count_tokens(token_ids, counted, 6)), expected)
