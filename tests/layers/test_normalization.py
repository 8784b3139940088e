from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kpt.errors import InputError
from kpt.layers import normalization_layer
from tests import reference
from tests.numbers import array, normal, randomize

X = normal(2, 5, 6, scale=3.0) + np.float32(1.5)


@pytest.mark.parametrize(
    ("kind", "function", "names"),
    [("layer_norm", reference.layer_norm, {"gamma", "beta"}), ("rms_norm", reference.rms_norm, {"scale"})],
)
@pytest.mark.parametrize("epsilon", [1e-12, 0.5])
def test_the_papers_formula(kind: str, function: Any, names: set[str], epsilon: float) -> None:
    layer = normalization_layer(kind, epsilon)
    layer.build(X.shape)
    weights = randomize(layer)
    assert set(weights) == names
    expected = function(X.astype("float64"), **weights, epsilon=epsilon)
    np.testing.assert_allclose(array(layer(X)), expected, atol=3e-6)


def test_by_hand() -> None:
    x = np.array([[1.0, 3.0]], np.float32)
    assert array(normalization_layer("layer_norm", 1e-12)(x)).tolist() == [pytest.approx([-1.0, 1.0])]
    assert array(normalization_layer("rms_norm", 1e-12)(x)).tolist() == [pytest.approx([5**-0.5, 3 * 5**-0.5])]


def test_an_unknown_one() -> None:
    with pytest.raises(InputError, match="Unknown normalization 'batch_norm'; choose one of layer_norm, rms_norm"):
        normalization_layer("batch_norm", 1e-12)
