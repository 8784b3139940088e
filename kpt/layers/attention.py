"""Scaled dot-product attention and the self-attention layer built on it."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from kpt.errors import InputError
from kpt.layers.dropout import Dropout
from kpt.layers.initializers import truncated_normal
from kpt.layers.positions import rotate

__all__ = ["SelfAttention", "scaled_dot_product_attention"]


def scaled_dot_product_attention(
    query: Any, key: Any, value: Any, mask: Any = None, causal: bool = False, dropout: Any = None
) -> Any:
    r"""Attend with queries to keys and return the weighted values.

    .. math:: \mathrm{softmax}(Q K^\top / \sqrt{d_k}) V

    Without `dropout` the backend's fused kernel does the work wherever it has one (torch: SDPA, JAX on GPU: cuDNN);
    with it the probabilities are formed explicitly, in float32. A row whose mask is wholly `False` gets the mean of
    the values, never a NaN.

    Args:
        query: `[batch, query length, heads, d_k]`.
        key: `[batch, key length, heads, d_k]`.
        value: `[batch, key length, heads, d_v]`.
        mask: Booleans that broadcast to `[batch, heads, query length, key length]`; `True` may be attended to.
        causal: Whether a query sees only keys at its own position and before.
        dropout: A function applied to the attention probabilities `[batch, heads, query length, key length]`.

    Returns:
        `[batch, query length, heads, d_v]`, in the dtype of `query`.

    Source: Vaswani et al. 2017, "Attention Is All You Need", equation 1.
    """
    if dropout is None:
        return ops.dot_product_attention(query, key, value, mask=mask, is_causal=causal)
    # [batch, length, heads, depth] -> [batch, heads, length, depth]: two batched products instead of an einsum
    # that each backend would have to rearrange by itself.
    query, key, value = (ops.transpose(x, (0, 2, 1, 3)) for x in (query, key, value))
    query = query * (float(query.shape[-1]) ** -0.5)
    scores = ops.cast(ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))), "float32")
    if causal:
        lengths = ops.shape(scores)[-2:]
        visible = ops.arange(lengths[1])[None, :] <= ops.arange(lengths[0])[:, None]
        mask = visible if mask is None else ops.logical_and(mask, visible)
    if mask is not None:
        scores = ops.where(mask, scores, -1e9)
    probabilities = dropout(ops.cast(ops.softmax(scores, axis=-1), value.dtype))
    return ops.transpose(ops.matmul(probabilities, value), (0, 2, 1, 3))


@keras.saving.register_keras_serializable("kpt")
class SelfAttention(keras.layers.Layer):
    r"""Multi-head self-attention with one matrix product for queries, keys and values.

    .. math:: \mathrm{Concat}(\mathrm{head}_1 \dots \mathrm{head}_h) W^O, \quad
        \mathrm{head}_i = \mathrm{Attention}(x W^Q_i, x W^K_i, x W^V_i)

    Args:
        heads: Number of heads; it must divide the width of the input.
        dropout: Rate at which attention probabilities are dropped in training. At inference, and at rate 0, the
            backend's fused kernel is used.
        causal: Whether a position sees only itself and what is before it.
        use_bias: Whether the four projections have biases.
        output_scale: Factor on the standard deviation of the output projection's initial weights; pre-norm stacks
            of `n` blocks take `(2 n) ** -0.5` so that the residual stream starts with the same variance at any depth.

    Call arguments:
        inputs: `[batch, length, width]`.
        attention_mask: Booleans `[batch, length]`, `True` at tokens; or a mask that broadcasts to
            `[batch, heads, length, length]`.
        rotations: Cosines and sines, `[length, d_k]` or `[batch, length, d_k]`, from `RotaryPositions`; `None` for no
            rotation.

    Returns:
        `[batch, length, width]`.

    Raises:
        InputError: If `heads` does not divide the width.

    Source: Vaswani et al. 2017, section 3.2.2.
    """

    def __init__(
        self,
        heads: int,
        dropout: float = 0.0,
        causal: bool = False,
        use_bias: bool = True,
        output_scale: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.heads, self.dropout, self.causal = heads, dropout, causal
        self.use_bias, self.output_scale = use_bias, output_scale

    def build(self, inputs_shape: Any) -> None:
        width = inputs_shape[-1]
        if width % self.heads:
            raise InputError(f"{self.heads} heads do not divide a width of {width}; choose a divisor of {width}.")
        # One kernel [width, 3 width]: the columns of queries, then keys, then values, each head by head.
        self.qkv = keras.layers.Dense(
            3 * width,
            use_bias=self.use_bias,
            kernel_initializer=truncated_normal(),
            dtype=self.dtype_policy,
            name="qkv",
        )
        self.qkv.build(inputs_shape)
        self.output_projection = keras.layers.Dense(
            width,
            use_bias=self.use_bias,
            kernel_initializer=truncated_normal(self.output_scale),
            dtype=self.dtype_policy,
            name="output",
        )
        self.output_projection.build(inputs_shape)
        self.probability_dropout = Dropout(self.dropout, dtype=self.dtype_policy, name="dropout")

    def call(self, inputs: Any, attention_mask: Any = None, rotations: Any = None, training: bool | None = None) -> Any:
        length, width = ops.shape(inputs)[1], inputs.shape[-1]
        qkv = ops.reshape(self.qkv(inputs), (-1, length, 3, self.heads, width // self.heads))
        query, key, value = qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2]
        if rotations is not None:
            query, key = rotate(query, rotations), rotate(key, rotations)
        if attention_mask is not None and len(attention_mask.shape) == 2:
            attention_mask = attention_mask[:, None, None, :]
        drops = bool(training) and self.dropout > 0
        attended = scaled_dot_product_attention(
            query,
            key,
            value,
            mask=attention_mask,
            causal=self.causal,
            dropout=(lambda p: self.probability_dropout(p, training=True)) if drops else None,
        )
        return self.output_projection(ops.reshape(attended, (-1, length, width)))

    def compute_output_shape(self, inputs_shape: Any, **_: Any) -> Any:
        return inputs_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "heads": self.heads,
            "dropout": self.dropout,
            "causal": self.causal,
            "use_bias": self.use_bias,
            "output_scale": self.output_scale,
        }
