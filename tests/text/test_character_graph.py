from __future__ import annotations

import numpy as np
import tensorflow as tf

from kpt.text.character_graph import look_up
from kpt.text.character_tables import CODE_POINTS, PagedTable


def test_the_graph_looks_up_what_the_array_has() -> None:
    dense = np.random.default_rng(0).integers(0, 9, (CODE_POINTS, 2), np.int32)
    dense[0x300:0x20000] = 1
    codes = np.array([0, 1, 0xFF, 0x100, 0x2FF, 0x300, 0x1F600, 0x20000, CODE_POINTS - 1])
    assert np.array_equal(look_up(PagedTable.compress(dense), tf.constant(codes, tf.int32)).numpy(), dense[codes])
