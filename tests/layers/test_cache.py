from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from kpt.layers import empty_cache, visible_slots, write_cache, written_by_selection
from tests.numbers import array, normal


def test_an_empty_cache() -> None:
    keys, values = empty_cache(2, 3, 5, 4, "bfloat16")
    assert tuple(keys.shape) == tuple(values.shape) == (2, 3, 5, 4)
    assert keras.backend.standardize_dtype(values.dtype) == "bfloat16"
    assert not array(keys).any() and not array(values).any()


@pytest.mark.parametrize("how", [nullcontext, written_by_selection])
def test_what_is_written_stands_at_its_slots(how: Any) -> None:
    cache, _ = empty_cache(2, 3, 5, 4, "float32")
    first, second = normal(2, 2, 3, 4, seed=1), normal(2, 1, 3, 4, seed=2)
    with how():
        cache = write_cache(cache, ops.convert_to_tensor(first), 1)
        cache = write_cache(cache, ops.convert_to_tensor(second), ops.convert_to_tensor(4))
    nothing = np.zeros((2, 1, 3, 4), np.float32)
    expected = np.concatenate([nothing, first, nothing, second], axis=1).transpose(0, 2, 1, 3)
    np.testing.assert_array_equal(array(cache), expected)


def test_a_cache_keeps_its_dtype() -> None:
    cache, _ = empty_cache(1, 1, 2, 2, "bfloat16")
    cache = write_cache(cache, ops.convert_to_tensor(normal(1, 1, 1, 2)), 0)
    assert keras.backend.standardize_dtype(cache.dtype) == "bfloat16"


def test_gradients_flow_through_what_is_written() -> None:
    layer = keras.layers.Dense(4)
    layer.build((None, 4))
    new = layer(ops.ones((1, 2, 3, 4)))
    cache, _ = empty_cache(1, 3, 5, 4, "float32")
    written = write_cache(cache, new, 2)
    np.testing.assert_allclose(array(written)[0, :, 2:4].transpose(1, 0, 2), array(new)[0])
    if keras.backend.backend() == "torch":
        assert written.requires_grad and not array(cache).any()


def test_slots_that_are_seen() -> None:
    assert array(visible_slots(5, 2, 1)).astype(int).tolist() == [[[[1, 1, 0, 0, 0], [1, 1, 1, 0, 0]]]]
    mask = np.array([[True] * 5, [False, True, True, True, True]])
    visible = visible_slots(5, 1, ops.convert_to_tensor(2), ops.convert_to_tensor(mask))
    assert array(visible).astype(int).tolist() == [[[[1, 1, 1, 0, 0]]], [[[0, 1, 1, 0, 0]]]]
