from __future__ import annotations

import keras
import numpy as np
import pytest

from kpt.layers import FeedForward, activation_function, activation_name, gelu_tanh, squared_relu
from tests import reference
from tests.numbers import array, normal


def test_gpt2s_gelu() -> None:
    # The tanh approximation of x Phi(x) gives 2.99636 and -0.15881; the exact ones are 2.99595 and -0.15866.
    assert array(gelu_tanh(np.array([3.0, -1.0, 0.0], np.float32))).tolist() == pytest.approx(
        [2.9963627, -0.158808, 0.0], abs=1e-6
    )
    x = normal(50, scale=3.0)
    np.testing.assert_allclose(array(gelu_tanh(x)), reference.gelu_tanh(x.astype("float64")), atol=2e-6)


def test_squared_relu() -> None:
    assert array(squared_relu(np.array([-2.0, 0.0, 0.5, 3.0], np.float32))).tolist() == [0.0, 0.0, 0.25, 9.0]


@pytest.mark.parametrize("name", ["gelu_tanh", "squared_relu", "gelu", "relu", "silu"])
def test_names_and_functions_lead_to_each_other(name: str) -> None:
    function = activation_function(name)
    assert activation_name(name) == activation_name(function) == name
    assert activation_function(function) is function


def test_a_custom_activation_survives_the_config_of_a_layer() -> None:
    @keras.saving.register_keras_serializable("tests")
    def doubled(x: object) -> object:
        return x + x  # type: ignore[operator]

    again = FeedForward.from_config(FeedForward(3, activation=doubled).get_config())
    assert again.activation is doubled
    again = FeedForward.from_config(FeedForward(3, activation="squared_relu").get_config())
    assert again.activation is squared_relu


def test_an_unknown_activation() -> None:
    with pytest.raises(ValueError, match="no_such"):
        activation_function("no_such")
