from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from keras import ops

from kpt.errors import InputError
from kpt.layers import RotaryPositions, TransformerBlock
from tests import reference
from tests.numbers import array, gradients, normal, randomize

X = normal(2, 5, 8)
MASK = np.array([[True] * 5, [True, True, True, False, False]])


@pytest.mark.parametrize("norm_first", [False, True], ids=["post-norm", "pre-norm"])
def test_berts_block(norm_first: bool) -> None:
    block = TransformerBlock(2, 16, norm_first=norm_first, dropout=0.5, attention_dropout=0.5)
    block.build(X.shape)
    weights = randomize(block)
    expected = reference.encoder_block(X.astype("float64"), weights, 2, MASK[:, None], norm_first)
    np.testing.assert_allclose(array(block(X, padding_mask=MASK)), expected, atol=1e-5)


@pytest.mark.parametrize("norm_first", [False, True], ids=["post-norm", "pre-norm"])
def test_a_gated_rotary_block_with_rms_norm(norm_first: bool) -> None:
    block = TransformerBlock(
        2,
        12,
        norm_first=norm_first,
        normalization="rms_norm",
        activation="silu",
        gated=True,
        use_bias=False,
        epsilon=0.1,
    )
    block.build(X.shape)
    weights = randomize(block)
    assert not [path for path in weights if "bias" in path]
    expected = reference.encoder_block(
        X.astype("float64"), weights, 2, None, norm_first, reference.rms_norm, True, reference.silu, True, 0.1
    )
    rotations = RotaryPositions(4)(np.zeros((2, 5), np.int32))
    np.testing.assert_allclose(array(block(X, rotations=rotations)), expected, atol=1e-5)


def test_padding_changes_nothing_at_the_tokens() -> None:
    block = TransformerBlock(2, 16)
    block.build(X.shape)
    randomize(block)
    other = np.where(MASK[..., None], X, np.float32(100.0))
    one, two = array(block(X, padding_mask=MASK)), array(block(other, padding_mask=MASK))
    np.testing.assert_allclose(one[MASK], two[MASK], atol=1e-6)


def test_both_parts_and_the_probabilities_drop_in_training_alone() -> None:
    for rates in ({"dropout": 0.5}, {"attention_dropout": 0.5}):
        block = TransformerBlock(2, 16, norm_first=True, **rates)
        block.build(X.shape)
        randomize(block)
        inference = array(block(X))
        np.testing.assert_array_equal(array(block(X, training=False)), inference)
        assert np.abs(array(block(X, training=True)) - inference).max() > 0.05
    block = TransformerBlock(2, 16)
    block.build(X.shape)
    np.testing.assert_array_equal(array(block(X, training=True)), array(block(X)))


@pytest.mark.parametrize("norm_first", [False, True], ids=["post-norm", "pre-norm"])
def test_gradients_are_finite_in_bfloat16_with_rows_of_padding_alone(norm_first: bool) -> None:
    block = TransformerBlock(2, 16, norm_first=norm_first, dropout=0.1, attention_dropout=0.1, dtype="mixed_bfloat16")
    block.build(X.shape)
    mask = np.array([[True, True, True, False, False], [False] * 5])

    def loss() -> Any:
        outputs = ops.cast(block(X, padding_mask=mask, training=True), "float32")
        return ops.sum(outputs * ops.convert_to_tensor(normal(2, 5, 8, seed=1)))

    assert np.isfinite(array(loss()))
    for weight, gradient in zip(block.trainable_variables, gradients(loss, block.trainable_variables), strict=True):
        assert np.isfinite(array(gradient)).all(), weight.path


def test_bad_arguments() -> None:
    with pytest.raises(InputError, match="3 heads do not divide a width of 8"):
        TransformerBlock(3, 16).build(X.shape)
    with pytest.raises(InputError, match="Unknown normalization 'none'"):
        TransformerBlock(2, 16, normalization="none")
