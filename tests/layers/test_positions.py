from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from kpt.errors import InputError
from kpt.layers import (
    LearnedPositions,
    RotaryPositions,
    SinusoidalPositions,
    rotary_frequencies,
    rotate,
    sinusoids,
)
from tests import reference
from tests.numbers import array, normal

IDS = np.zeros((2, 6), np.int32)


def test_sinusoids() -> None:
    table = sinusoids(50, 4)
    assert table.dtype == np.float32 and table.shape == (50, 4)
    assert table[0].tolist() == [0, 1, 0, 1]
    # sin and cos of 7 and of 7 / 100
    assert table[7].tolist() == pytest.approx([0.6569866, 0.7539023, 0.0699428, 0.9975510], abs=1e-6)
    assert sinusoids(3, 4, base=4.0)[2].tolist() == pytest.approx(
        [np.sin(2), np.cos(2), np.sin(1), np.cos(1)], abs=1e-6
    )
    with pytest.raises(InputError, match="the width must be even, not 5"):
        sinusoids(3, 5)


def test_sinusoidal_positions_are_added() -> None:
    layer = SinusoidalPositions(9)
    x = normal(2, 6, 4)
    np.testing.assert_allclose(array(layer(x)), x + sinusoids(6, 4), atol=1e-6)
    assert layer.weights == []


def test_learned_positions_are_added() -> None:
    layer, x = LearnedPositions(9), normal(2, 6, 4)
    layer.build(x.shape)
    table = normal(9, 4, seed=1)
    layer.set_weights([table])
    np.testing.assert_allclose(array(layer(x)), x + table[:6], atol=1e-6)
    positions = np.array([[8, 7, 0, 1, 2, 3], [5, 5, 5, 5, 5, 5]], np.int32)
    np.testing.assert_allclose(array(layer(x, positions=positions)), x + table[positions], atol=1e-6)


@pytest.mark.parametrize("kind", [LearnedPositions, SinusoidalPositions])
def test_a_sequence_over_the_positions(kind: type) -> None:
    message = "A sequence of 6 tokens is longer than the model's 5 positions; shorten"
    with pytest.raises(InputError, match=message):
        kind(5)(normal(2, 6, 4))
    assert array(kind(6)(normal(2, 6, 4))).shape == (2, 6, 4)


def test_frequencies() -> None:
    assert rotary_frequencies(4, 10_000.0).tolist() == pytest.approx([1.0, 0.01])
    # Within 2 pi * 100 positions they turn 100, 10 and 1 times: as it is, in the middle, and eight times slower.
    scaling = {
        "factor": 8.0,
        "low_freq_factor": 2.0,
        "high_freq_factor": 18.0,
        "original_max_position_embeddings": 200 * np.pi,
    }
    found = rotary_frequencies(6, 1000.0, scaling)
    assert found.tolist() == pytest.approx([1.0, 0.1 * (0.5 + 0.5 / 8), 0.01 / 8])


def test_rotations_are_cosines_and_sines() -> None:
    rotations = array(RotaryPositions(4)(IDS))
    assert rotations.shape == (6, 4)
    # frequencies 1 and 1 / 100
    assert rotations[0].tolist() == [1, 1, 0, 0]
    assert rotations[3].tolist() == pytest.approx([np.cos(3), np.cos(0.03), np.sin(3), np.sin(0.03)], abs=1e-6)
    positions = np.array([[5, 4, 3, 2, 1, 0], [3, 3, 3, 3, 3, 3]], np.int32)
    np.testing.assert_allclose(array(RotaryPositions(4)(IDS, positions=positions)), rotations[positions], atol=1e-6)


@pytest.mark.parametrize("base", [10_000.0, 100.0])
def test_rotating_is_the_papers(base: float) -> None:
    x = normal(2, 6, 3, 8)
    result = array(rotate(ops.convert_to_tensor(x), RotaryPositions(8, base=base)(IDS)))
    np.testing.assert_allclose(result, reference.rotated(x, base), atol=3e-6)
    np.testing.assert_allclose((result**2).sum(-1), (x**2).sum(-1), rtol=1e-5)


def test_a_rotated_product_depends_on_the_difference_of_the_positions_alone() -> None:
    query, key = (np.broadcast_to(normal(1, 1, 1, 8, seed=seed), (1, 40, 1, 8)) for seed in (1, 2))
    rotations = RotaryPositions(8)(np.zeros((1, 40), np.int32))
    query, key = (array(rotate(ops.convert_to_tensor(x.copy()), rotations))[0, :, 0] for x in (query, key))
    products = query @ key.T
    for difference in (-20, -1, 0, 1, 7):
        diagonal = np.diagonal(products, difference)
        np.testing.assert_allclose(diagonal, diagonal[0], atol=2e-5)
    assert np.ptp(products[0]) > 1


def test_bfloat16_keeps_far_positions_apart() -> None:
    # A bfloat16 holds the angle 500 only to 2 radians: the angles themselves must never be rounded.
    ids, x = np.zeros((1, 512), np.int32), normal(1, 512, 2, 64)
    rotations = RotaryPositions(64, dtype="mixed_bfloat16")(ids)
    assert keras.backend.standardize_dtype(rotations.dtype) == "float32"
    narrow = rotate(ops.cast(ops.convert_to_tensor(x), "bfloat16"), rotations)
    assert keras.backend.standardize_dtype(narrow.dtype) == "bfloat16"
    wide = reference.rotated(x)
    assert np.abs(array(narrow) - wide)[:, 490:].max() < 0.06
    through_a_layer = PassesOn(dtype="mixed_bfloat16")(ops.convert_to_tensor(x), rotations=rotations)
    assert np.abs(array(through_a_layer) - wide)[:, 490:].max() < 0.06


class PassesOn(keras.layers.Layer):
    """Rotates as a block does, after Keras has cast what floats the layer is given."""

    def call(self, inputs: object, rotations: object) -> object:
        assert keras.backend.standardize_dtype(inputs.dtype) == "bfloat16"
        return rotate(inputs, rotations)


def test_odd_widths_cannot_be_rotated() -> None:
    with pytest.raises(InputError, match="the width of a head must be even, not 7"):
        RotaryPositions(7)
