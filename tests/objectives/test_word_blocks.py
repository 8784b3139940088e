from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from kpt.errors import InputError
from kpt.objectives.word_blocks import logistic_losses, spread_over_windows, window_masks, window_sums, word_blocks
from tests.numbers import array

BATCH = {
    "token_ids": np.array([[1, 2, 3, 4]], "int32"),
    "before": np.array([[0, 1, 2, 1]], "int32"),
    "after": np.array([[2, 0, 1, 0]], "int32"),
    "negative_ids": np.array([[[7], [8]]], "int32"),
    "token_shares": np.arange(8, dtype="float32").reshape(1, 4, 2),
    "negative_shares": np.arange(4, dtype="float32").reshape(1, 2, 1, 2),
}


def test_blocks_overlap_by_the_window() -> None:
    blocks = word_blocks({name: ops.convert_to_tensor(each) for name, each in BATCH.items()}, window=2)
    assert array(blocks.centres).tolist() == [[1, 2], [3, 4]]
    assert array(blocks.contexts).tolist() == [[0, 0, 1, 2, 3, 4], [1, 2, 3, 4, 0, 0]]
    assert array(blocks.before).tolist() == [[0, 1], [2, 1]]
    assert array(blocks.after).tolist() == [[2, 0], [1, 0]]
    assert array(blocks.negatives).tolist() == [[7], [8]]
    assert array(blocks.centre_shares)[:, :, 0].tolist() == [[0, 2], [4, 6]]
    assert array(blocks.context_shares)[:, :, 1].tolist() == [[0, 0, 1, 3, 5, 7], [1, 3, 5, 7, 0, 0]]
    assert array(blocks.negative_shares).tolist() == [[[0, 1]], [[2, 3]]]


def test_masks_show_who_stands_in_whose_window() -> None:
    blocks = word_blocks({name: ops.convert_to_tensor(each) for name, each in BATCH.items()}, window=2)
    assert array(window_masks(blocks, "float32")).tolist() == [
        [[0, 0, 0, 1, 1, 0], [0, 0, 1, 0, 0, 0]],
        [[1, 1, 0, 1, 0, 0], [0, 0, 1, 0, 0, 0]],
    ]


def test_blocks_may_be_cut_further_for_the_windows() -> None:
    batch = {
        **BATCH,
        "after": np.array([[1, 0, 1, 0]], "int32"),
        "negative_ids": np.array([[[7]]], "int32"),
        "negative_shares": np.ones((1, 1, 1, 2), "float32"),
    }
    blocks = word_blocks({name: ops.convert_to_tensor(each) for name, each in batch.items()}, window=1, piece=2)
    assert array(blocks.centres).tolist() == [[1, 2, 3, 4]]
    assert array(blocks.contexts).tolist() == [[0, 1, 2, 3], [2, 3, 4, 0]]
    assert array(window_masks(blocks, "float32")).tolist() == [
        [[0, 0, 1, 0], [0, 1, 0, 0]],
        [[1, 0, 1, 0], [0, 1, 0, 0]],
    ]


@pytest.mark.parametrize("piece", [2, 4, 12])
def test_sums_over_windows_are_products_with_the_masks(piece: int) -> None:
    generator = np.random.default_rng(0)
    batch = {
        "token_ids": generator.integers(0, 9, (2, 12), np.int32),
        "before": generator.integers(0, 3, (2, 12), np.int32),
        "after": generator.integers(0, 3, (2, 12), np.int32),
        "negative_ids": np.zeros((2, 3, 1), np.int32),
        "token_shares": np.ones((2, 12, 2), np.float32),
        "negative_shares": np.ones((2, 3, 1, 2), np.float32),
    }
    blocks = word_blocks({name: ops.convert_to_tensor(each) for name, each in batch.items()}, 2, piece)
    masks = array(window_masks(blocks, "float32"))
    rows = generator.random((24 // piece, piece + 4, 3), np.float32)
    sums = array(window_sums(ops.convert_to_tensor(rows), blocks))
    np.testing.assert_allclose(sums, masks @ rows, rtol=1e-5, atol=1e-6)
    spread = array(spread_over_windows(ops.convert_to_tensor(sums), blocks))
    np.testing.assert_allclose(spread, masks.swapaxes(1, 2) @ sums, rtol=1e-5, atol=1e-6)


def test_losses_are_those_of_the_logistic_function() -> None:
    logits = np.array([-30.0, -0.5, 2.0, 30.0])
    found = logistic_losses(
        *(ops.convert_to_tensor(each.astype("float32")) for each in (logits, np.eye(4)[2], np.ones(4)))
    )
    expected = [np.log1p(np.exp(-30)), np.log1p(np.exp(-0.5)), np.log1p(np.exp(-2.0)), np.log1p(np.exp(30.0))]
    assert array(found) == pytest.approx(sum(expected), rel=1e-6)


def test_blocks_shorter_than_the_window_are_refused() -> None:
    with pytest.raises(InputError, match="blocks of 2 words"):
        word_blocks(BATCH, window=3)
    with pytest.raises(InputError, match="blocks of 1 words"):
        word_blocks(BATCH, window=2, piece=1)
