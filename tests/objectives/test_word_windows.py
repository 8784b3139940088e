from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from kpt.objectives.word_blocks import WordBlocks, word_blocks
from kpt.objectives.word_windows import (
    spread_over_windows,
    window_masks,
    window_places,
    window_products,
    window_sums,
)
from tests.numbers import array
from tests.objectives.test_word_blocks import BATCH

WINDOW = 2


def blocks_of(piece: int) -> WordBlocks:
    """Two passages of 12 words."""
    generator = np.random.default_rng(0)
    place = np.arange(12)
    batch = {
        "token_ids": generator.integers(0, 9, (2, 12), np.int32),
        "before": np.minimum(generator.integers(0, 3, (2, 12)), place).astype(np.int32),
        "after": np.minimum(generator.integers(0, 3, (2, 12)), 11 - place).astype(np.int32),
        "negative_ids": np.zeros((2, 3, 1), np.int32),
        "token_shares": np.ones((2, 12, 2), np.float32),
        "negative_shares": np.ones((2, 3, 1, 2), np.float32),
    }
    return word_blocks({name: ops.convert_to_tensor(each) for name, each in batch.items()}, WINDOW, piece)


def masks_of(blocks: WordBlocks, factors: np.ndarray | None = None) -> np.ndarray:
    """The matrices of windows, with factors at their places."""
    masks = array(window_masks(blocks, "float32"))
    if factors is not None:
        for place in range(2 * WINDOW + 1):
            for row in range(masks.shape[1]):
                masks[:, row, row + place] *= factors[place, :, row]
    return masks


def test_masks_show_who_stands_in_whose_window() -> None:
    blocks = word_blocks({name: ops.convert_to_tensor(each) for name, each in BATCH.items()}, window=2)
    assert array(window_masks(blocks, "float32")).tolist() == [
        [[0, 0, 0, 1, 1, 0], [0, 0, 1, 0, 0, 0]],
        [[1, 1, 0, 1, 0, 0], [0, 0, 1, 0, 0, 0]],
    ]


def test_pieces_may_be_smaller_than_the_blocks() -> None:
    batch = {
        **BATCH,
        "after": np.array([[1, 0, 1, 0]], "int32"),
        "negative_ids": np.array([[[7]]], "int32"),
        "negative_shares": np.ones((1, 1, 1, 2), "float32"),
    }
    blocks = word_blocks({name: ops.convert_to_tensor(each) for name, each in batch.items()}, window=1, piece=2)
    assert array(window_masks(blocks, "float32")).tolist() == [
        [[0, 0, 1, 0], [0, 1, 0, 0]],
        [[1, 0, 1, 0], [0, 1, 0, 0]],
    ]


def test_places_show_who_stands_in_whose_window() -> None:
    blocks = word_blocks({name: ops.convert_to_tensor(each) for name, each in BATCH.items()}, window=2, piece=4)
    assert array(window_places(blocks, "float32")).tolist() == [
        [[0, 0, 1, 0]],
        [[0, 1, 1, 1]],
        [[0, 0, 0, 0]],
        [[1, 0, 1, 0]],
        [[1, 0, 0, 0]],
    ]


@pytest.mark.parametrize("piece", [2, 4, 12])
@pytest.mark.parametrize("factors", [False, True], ids=["alone", "times factors"])
def test_sums_over_windows_are_products_with_the_masks(piece: int, factors: bool) -> None:
    blocks, generator = blocks_of(piece), np.random.default_rng(1)
    rows = generator.random((24 // piece, piece + 4, 3), np.float32)
    given = None
    if factors:  # that of the middle is not used
        given = generator.random((5, 24 // piece, piece), np.float32)
    masks = masks_of(blocks, given)
    if given is not None:
        given = ops.convert_to_tensor(
            given * (array(window_places(blocks, "float32")) + np.eye(5, dtype="float32")[2][:, None, None])
        )
    sums = array(window_sums(ops.convert_to_tensor(rows), blocks, given))
    np.testing.assert_allclose(sums, masks @ rows, rtol=1e-5, atol=1e-6)
    spread = array(spread_over_windows(ops.convert_to_tensor(sums), blocks, given))
    np.testing.assert_allclose(spread, masks.swapaxes(1, 2) @ sums, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("piece", [2, 3, 6, 12])
def test_products_are_those_of_each_centre_with_the_words_around_it(piece: int) -> None:
    blocks, generator = blocks_of(12), np.random.default_rng(1)
    rows, others = (generator.random((2, count, 3), np.float32) for count in (12, 16))
    found = array(window_products(*map(ops.convert_to_tensor, (rows, others)), blocks, piece))
    assert found.shape == (5, 2, 12)
    for passage in range(2):
        for centre in range(12):
            expected = others[passage, centre : centre + 5] @ rows[passage, centre]
            np.testing.assert_allclose(found[:, passage, centre], expected, rtol=1e-5)
