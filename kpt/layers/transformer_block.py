"""One block of a Transformer, of an encoder or a decoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from kpt.layers.activations import activation_name
from kpt.layers.attention import SelfAttention
from kpt.layers.dropout import Dropout
from kpt.layers.feed_forward import FeedForward
from kpt.layers.normalization import normalization_layer

__all__ = ["TransformerBlock"]


@keras.saving.register_keras_serializable("kpt")
class TransformerBlock(keras.layers.Layer):
    r"""Self-attention and a feed-forward network, each in a residual connection.

    .. math::
        \text{post: } x \leftarrow \mathrm{Norm}(x + \mathrm{Drop}(F(x))), \qquad
        \text{pre: } x \leftarrow x + \mathrm{Drop}(F(\mathrm{Norm}(x)))

    Args:
        heads: Number of attention heads.
        feed_forward_width: Hidden width of the feed-forward network.
        norm_first: `False` for post-norm (BERT), `True` for pre-norm (GPT-2).
        normalization: `"layer_norm"` or `"rms_norm"`.
        activation: Activation of the feed-forward network.
        gated: Whether the feed-forward network is gated.
        dropout: Rate on the output of both parts.
        attention_dropout: Rate on the attention probabilities.
        causal: Whether a position sees only itself and what is before it.
        key_value_heads: See `SelfAttention`.
        use_bias: Whether the projections and layer norms have biases.
        qkv_bias: See `SelfAttention`.
        output_scale: Factor on the initial standard deviation of the projections that write to the residual stream.
        initial_scale: See `SelfAttention`.
        epsilon: Of the normalizations.
        remat: Whether training keeps of the block its input alone, and computes all else anew where the gradient needs
            it: less memory for a third more computing, and the same numbers.

    Call arguments:
        inputs: `[batch, length, width]`.
        padding_mask: Booleans `[batch, length]`, `True` at tokens; or any mask that `SelfAttention` takes.
        rotations: From `RotaryPositions`, see `SelfAttention`.
        cache: See `SelfAttention`.
        cache_index: See `SelfAttention`.

    Returns:
        `[batch, length, width]`; with a cache, also the new cache.

    Source: Vaswani et al. 2017, section 3.1; Xiong et al. 2020, "On Layer Normalization in the Transformer";
    Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost".
    """

    def __init__(
        self,
        heads: int,
        feed_forward_width: int,
        norm_first: bool = False,
        normalization: str = "layer_norm",
        activation: Any = "gelu",
        gated: bool = False,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        causal: bool = False,
        key_value_heads: int | None = None,
        use_bias: bool = True,
        qkv_bias: bool | None = None,
        output_scale: float = 1.0,
        initial_scale: float = 1.0,
        epsilon: float = 1e-12,
        remat: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.arguments = {
            "heads": heads,
            "feed_forward_width": feed_forward_width,
            "norm_first": norm_first,
            "normalization": normalization,
            "activation": activation_name(activation),
            "gated": gated,
            "dropout": dropout,
            "attention_dropout": attention_dropout,
            "causal": causal,
            "key_value_heads": key_value_heads,
            "use_bias": use_bias,
            "qkv_bias": qkv_bias,
            "output_scale": output_scale,
            "initial_scale": initial_scale,
            "epsilon": epsilon,
            "remat": remat,
        }
        self.norm_first, self.remat = norm_first, remat
        inner: dict[str, Any] = {"use_bias": use_bias, "output_scale": output_scale, "initial_scale": initial_scale}
        inner["dtype"] = self.dtype_policy
        self.attention = SelfAttention(
            heads,
            dropout=attention_dropout,
            causal=causal,
            key_value_heads=key_value_heads,
            qkv_bias=qkv_bias,
            name="attention",
            **inner,
        )
        self.feed_forward = FeedForward(
            feed_forward_width, activation=activation, gated=gated, name="feed_forward", **inner
        )
        for part in ("attention_norm", "feed_forward_norm"):
            norm = normalization_layer(normalization, epsilon, use_bias, dtype=self.dtype_policy, name=part)
            setattr(self, part, norm)
        self.residual_dropout = Dropout(dropout, dtype=self.dtype_policy, name="dropout")

    def build(self, inputs_shape: Any) -> None:
        for part in (self.attention, self.feed_forward, self.attention_norm, self.feed_forward_norm):
            part.build(inputs_shape)

    def call(
        self,
        inputs: Any,
        padding_mask: Any = None,
        rotations: Any = None,
        cache: Any = None,
        cache_index: Any = None,
        training: bool | None = None,
    ) -> Any:
        # Drawn here: what is computed twice has to drop the same, and to count as one draw.
        drops = (self.attention.probability_dropout, self.residual_dropout, self.residual_dropout)
        seeds = [dropout.next_seed(training) for dropout in drops]

        def forward(x: Any) -> Any:
            options = {"rotations": rotations, "cache": cache, "cache_index": cache_index, "training": training}
            return self.transformed(x, padding_mask, seeds, **options)

        if self.remat and training and cache is None:
            forward = keras.remat(forward)
        return forward(inputs)

    def transformed(
        self, inputs: Any, padding_mask: Any, seeds: Sequence[Any], cache: Any, training: bool | None, **options: Any
    ) -> Any:
        """Return the block's outputs.

        Args:
            inputs: See the class.
            padding_mask: See the class.
            seeds: Of the dropout of the attention's probabilities, of its output and of the feed-forward network's.
            cache: See the class.
            training: Whether to drop.
            **options: `rotations` and `cache_index`, see the class.
        """
        of_probabilities, of_attention, of_feed_forward = seeds
        x = self.attention_norm(inputs) if self.norm_first else inputs
        x = self.attention(
            x,
            attention_mask=padding_mask,
            cache=cache,
            training=training,
            dropout_seed=of_probabilities,
            **options,
        )
        if cache is not None:
            x, cache = x
        x = inputs + self.residual_dropout(x, training=training, seed=of_attention)
        if self.norm_first:
            forward = self.feed_forward(self.feed_forward_norm(x))
            x = x + self.residual_dropout(forward, training=training, seed=of_feed_forward)
        else:
            x = self.attention_norm(x)
            forward = self.residual_dropout(self.feed_forward(x), training=training, seed=of_feed_forward)
            x = self.feed_forward_norm(x + forward)
        return x if cache is None else (x, cache)

    def compute_output_shape(self, inputs_shape: Any, **_: Any) -> Any:
        return inputs_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.arguments}
