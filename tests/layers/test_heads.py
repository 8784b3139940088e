from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from kpt.layers import MaskedLMHead, Pooler, gather_positions
from tests import reference
from tests.numbers import array, gradients, normal, randomize

X = normal(2, 5, 6)
POSITIONS = np.array([[4, 0, 0], [2, 2, 1]], np.int32)
EMBEDDING = normal(11, 6, seed=3)


def test_gathering() -> None:
    gathered = array(gather_positions(ops.convert_to_tensor(X), POSITIONS))
    for row, slots in enumerate([[4, 0, 0], [2, 2, 1]]):
        np.testing.assert_array_equal(gathered[row], X[row, slots])


def test_the_gradient_of_gathering_adds_up() -> None:
    variable = keras.Variable(X)
    (gradient,) = gradients(lambda: ops.sum(gather_positions(variable.value, POSITIONS)), [variable])
    assert array(gradient)[:, :, 0].tolist() == [[2, 0, 0, 0, 1], [0, 1, 2, 0, 0]]


@pytest.mark.parametrize(
    ("activation", "function", "normalization", "norm"),
    [
        ("gelu", reference.gelu, "layer_norm", reference.layer_norm),
        ("relu", reference.relu, "rms_norm", reference.rms_norm),
    ],
)
def test_the_masked_language_model_head(activation: str, function: Any, normalization: str, norm: Any) -> None:
    head = MaskedLMHead(11, activation=activation, normalization=normalization)
    head.build(X.shape)
    weights = randomize(head)
    logits = head(X, POSITIONS, project=lambda hidden: ops.matmul(hidden, EMBEDDING.T))
    hidden = np.stack([X[row, POSITIONS[row]] for row in range(2)]).astype("float64")
    hidden = function(hidden @ weights["transform/kernel"] + weights["transform/bias"])
    expected = norm(hidden, **reference.below(weights, "norm")) @ EMBEDDING.T + weights["bias"]
    assert logits.shape == (2, 3, 11)
    np.testing.assert_allclose(array(logits), expected, atol=1e-5)


def test_a_head_of_a_narrower_embedding() -> None:
    head = MaskedLMHead(11, hidden_width=3)
    head.build(X.shape)
    shapes = {weight.path.removeprefix(f"{head.name}/"): tuple(weight.shape) for weight in head.weights}
    assert shapes["transform/kernel"] == (X.shape[-1], 3) and shapes["norm/gamma"] == (3,)
    assert head(X, POSITIONS, project=lambda hidden: ops.matmul(hidden, EMBEDDING[:, :3].T)).shape == (2, 3, 11)


@pytest.mark.parametrize(("activation", "function"), [("tanh", np.tanh), ("gelu", reference.gelu)])
def test_the_pooler(activation: str, function: Any) -> None:
    pooler = Pooler(activation)
    pooler.build(X.shape)
    weights = randomize(pooler)
    expected = function(X[:, 0].astype("float64") @ weights["dense/kernel"] + weights["dense/bias"])
    np.testing.assert_allclose(array(pooler(X)), expected, atol=1e-6)
