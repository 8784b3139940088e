from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from kpt.errors import InputError
from kpt.objectives.word_blocks import logistic_losses, neighbourhoods, word_blocks
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


def test_pieces_hold_the_ends_of_those_beside_them() -> None:
    values = ops.convert_to_tensor(np.arange(20).reshape(2, 10, 1))
    assert array(neighbourhoods(values, 2, 2))[..., 0].tolist() == [
        [0, 1, 2, 3, 4, 5],
        [2, 3, 4, 5, 6, 7],
        [4, 5, 6, 7, 8, 9],
        *([10 + n, 11 + n, 12 + n, 13 + n, 14 + n, 15 + n] for n in (0, 2, 4)),
    ]


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
