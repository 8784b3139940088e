"""The position-wise feed-forward network of a Transformer block."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from kpt.layers.activations import activation_function, activation_name
from kpt.layers.dense import Dense
from kpt.layers.initializers import truncated_normal

__all__ = ["FeedForward"]


@keras.saving.register_keras_serializable("kpt")
class FeedForward(keras.layers.Layer):
    r"""Two dense layers with a nonlinearity between them, optionally gated.

    .. math:: \mathrm{FFN}(x) = f(x W_1 + b_1) W_2 + b_2, \qquad
        \mathrm{GLU}(x) = \big(f(x W_g + b_g) \odot (x W_1 + b_1)\big) W_2 + b_2

    Args:
        hidden_width: Width between the two layers.
        activation: `"gelu"`, `"gelu_tanh"`, `"relu"`, `"squared_relu"`, `"silu"` or any Keras activation.
        gated: Whether the hidden layer is multiplied by a gate (with `"silu"` this is SwiGLU, with `"gelu"` GEGLU).
            Gate and values come from one matrix product.
        use_bias: Whether the layers have biases.
        output_scale: Factor on the standard deviation of the second layer's initial weights.
        initial_scale: Factor on that of all initial weights, see `SelfAttention`.

    Call arguments:
        inputs: `[batch, length, width]`.

    Returns:
        `[batch, length, width]`.

    Source: Vaswani et al. 2017, equation 2; Shazeer 2020, "GLU Variants Improve Transformer".
    """

    def __init__(
        self,
        hidden_width: int,
        activation: Any = "gelu",
        gated: bool = False,
        use_bias: bool = True,
        output_scale: float = 1.0,
        initial_scale: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hidden_width, self.gated, self.use_bias = hidden_width, gated, use_bias
        self.activation = activation_function(activation)
        self.output_scale, self.initial_scale = output_scale, initial_scale

    def build(self, inputs_shape: Any) -> None:
        self.hidden = Dense(
            self.hidden_width * (2 if self.gated else 1),
            use_bias=self.use_bias,
            kernel_initializer=truncated_normal(self.initial_scale),
            dtype=self.dtype_policy,
            name="hidden",
        )
        self.hidden.build(inputs_shape)
        self.output_projection = Dense(
            inputs_shape[-1],
            use_bias=self.use_bias,
            kernel_initializer=truncated_normal(self.initial_scale * self.output_scale),
            dtype=self.dtype_policy,
            name="output",
        )
        self.output_projection.build((*inputs_shape[:-1], self.hidden_width))

    def call(self, inputs: Any) -> Any:
        hidden = self.hidden(inputs)
        if self.gated:
            gate, hidden = ops.split(hidden, 2, axis=-1)
            hidden = self.activation(gate) * hidden
        else:
            hidden = self.activation(hidden)
        return self.output_projection(hidden)

    def compute_output_shape(self, inputs_shape: Any) -> Any:
        return inputs_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "hidden_width": self.hidden_width,
            "activation": activation_name(self.activation),
            "gated": self.gated,
            "use_bias": self.use_bias,
            "output_scale": self.output_scale,
            "initial_scale": self.initial_scale,
        }
