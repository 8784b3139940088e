"""Activations that Keras has no name for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

__all__ = ["activation_function", "activation_name", "gelu_tanh", "squared_relu"]


def gelu_tanh(x: Any) -> Any:
    r"""Return GPT-2's GELU, "gelu_new": :math:`x (1 + \tanh(\sqrt{2 / \pi} (x + 0.044715 x^3))) / 2`.

    Source: Hendrycks and Gimpel 2016, "Gaussian Error Linear Units", the approximation in section 2.
    """
    return ops.gelu(x, approximate=True)


def squared_relu(x: Any) -> Any:
    r"""Return :math:`\max(x, 0)^2`.

    Source: So et al. 2021, "Primer: Searching for Efficient Transformers for Language Modeling".
    """
    return ops.square(ops.relu(x))


OWN = {"gelu_tanh": gelu_tanh, "squared_relu": squared_relu}


def activation_function(activation: Any) -> Callable[[Any], Any]:
    """Return the function of an activation.

    Args:
        activation: `"gelu_tanh"`, `"squared_relu"`, or what `keras.activations.get` takes.

    Returns:
        The function.

    Raises:
        ValueError: If Keras does not know it.

    Example:
        >>> activation_function("squared_relu") is squared_relu
        True
    """
    own = OWN.get(activation) if isinstance(activation, str) else None
    return own or keras.activations.get(activation)


def activation_name(activation: Any) -> Any:
    """Return what `activation_function` makes the same function of, for a config.

    Args:
        activation: What `activation_function` takes.

    Returns:
        A name, or the config of a custom activation.
    """
    function = activation_function(activation)
    names = [name for name, own in OWN.items() if own is function]
    return names[0] if names else keras.activations.serialize(function)
