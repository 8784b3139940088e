from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kpt.layers import FeedForward
from tests import reference
from tests.numbers import array, normal, randomize

X = normal(2, 5, 6)


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize(
    ("activation", "function"), [("relu", reference.relu), ("gelu", reference.gelu), ("silu", reference.silu)]
)
def test_the_papers_formula(activation: str, function: Any, gated: bool, use_bias: bool) -> None:
    layer = FeedForward(10, activation=activation, gated=gated, use_bias=use_bias)
    layer.build(X.shape)
    weights = randomize(layer)
    assert weights["hidden/kernel"].shape == (6, 20 if gated else 10)
    assert ("hidden/bias" in weights) == ("output/bias" in weights) == use_bias
    expected = reference.feed_forward(X.astype("float64"), weights, function, gated)
    np.testing.assert_allclose(array(layer(X)), expected, atol=5e-6)


def test_gelu_is_the_exact_one() -> None:
    layer = FeedForward(1, use_bias=False)
    layer.build((None, None, 1))
    layer.set_weights([np.ones((1, 1)), np.ones((1, 1))])
    # x Phi(x): 3 * 0.99865 and -1 * 0.158655; the tanh approximation gives 2.99636 and -0.15881.
    x = np.array([3.0, -1.0], np.float32).reshape(1, 2, 1)
    assert array(layer(x)).ravel().tolist() == pytest.approx([2.9959503, -0.15865525], abs=1e-6)


def test_output_scale_scales_the_second_layer_alone() -> None:
    layer = FeedForward(400, output_scale=0.25)
    layer.build((None, None, 200))
    assert float(np.std(array(layer.hidden.kernel))) == pytest.approx(0.0176, rel=0.02)
    assert float(np.std(array(layer.output_projection.kernel))) == pytest.approx(0.0044, rel=0.02)
