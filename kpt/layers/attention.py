"""Scaled dot-product attention and the self-attention layer built on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops

from kpt.errors import InputError
from kpt.layers.cache import visible_slots, write_cache
from kpt.layers.dense import Dense
from kpt.layers.dropout import Dropout
from kpt.layers.initializers import truncated_normal
from kpt.layers.positions import rotate
from kpt.layers.segment_attention import Segments, on_tpu

__all__ = ["SelfAttention", "scaled_dot_product_attention", "watched_attention"]


def scaled_dot_product_attention(
    query: Any, key: Any, value: Any, mask: Any = None, causal: bool = False, dropout: Any = None
) -> Any:
    r"""Attend with queries to keys and return the weighted values.

    .. math:: \mathrm{softmax}(Q K^\top / \sqrt{d_k}) V

    Without `dropout` the backend's fused kernel does the work wherever it has one (torch: SDPA, JAX on GPU: cuDNN);
    with it, and on TensorFlow, the probabilities are formed explicitly, in float32. On TPU they are, too: what Keras
    3.15 has there is causal wherever there is no mask, does not scale, and is left for any mask that is traced. A row
    whose mask is wholly `False` gets the mean of the values, never a NaN.

    Args:
        query: `[batch, query length, heads, d_k]`.
        key: `[batch, key length, key_value_heads, d_k]`; `heads` is a multiple of `key_value_heads`, and as many
            successive heads of queries share a head of keys and values.
        value: `[batch, key length, key_value_heads, d_v]`.
        mask: Booleans that broadcast to `[batch, 1, query length, key length]`; `True` may be attended to. Where
            heads are not grouped, their axis may be `heads` long.
        causal: Whether a query sees only keys at its own position and before.
        dropout: A function applied to the attention probabilities `[batch, heads, query length, key length]`.

    Returns:
        `[batch, query length, heads, d_v]`, in the dtype of `query`.

    Source: Vaswani et al. 2017, "Attention Is All You Need", equation 1; Ainslie et al. 2023, "GQA".
    """
    # TensorFlow has no fused kernel; what Keras does there is slower, and fails where all heads share one of keys.
    if dropout is None and keras.backend.backend() != "tensorflow":
        return ops.dot_product_attention(
            query, key, value, mask=mask, is_causal=causal, flash_attention=False if on_tpu() else None
        )
    if causal:
        visible = visible_slots(ops.shape(key)[1], ops.shape(query)[1], 0)
        mask = visible if mask is None else ops.logical_and(mask, visible)
    key, value = (ops.transpose(x, (0, 2, 1, 3)) for x in (key, value))
    return attention_to_heads(query, key, value, mask, dropout)


def attention_to_heads(query: Any, key: Any, value: Any, mask: Any = None, dropout: Any = None) -> Any:
    """Attend to keys and values whose heads stand before their positions, as in a cache.

    Args:
        query: As in `scaled_dot_product_attention`.
        key: `[batch, key_value_heads, key length, d_k]`.
        value: `[batch, key_value_heads, key length, d_v]`.
        mask: As in `scaled_dot_product_attention`.
        dropout: As in `scaled_dot_product_attention`.

    Returns:
        `[batch, query length, heads, d_v]`, in the dtype of `query`.
    """
    length, heads, groups = ops.shape(query)[1], query.shape[2], key.shape[1]
    query = ops.transpose(query * (float(query.shape[-1]) ** -0.5), (0, 2, 1, 3))
    # The queries of all heads that share keys form one matrix: two batched products, and no repeated keys.
    shared = (-1, groups, length * (heads // groups))
    query = ops.reshape(query, (*shared, query.shape[-1]))
    scores = ops.matmul(query, ops.transpose(ops.cast(key, query.dtype), (0, 1, 3, 2)))
    key_length = ops.shape(scores)[-1]
    scores = ops.cast(ops.reshape(scores, (-1, heads, length, key_length)), "float32")
    if mask is not None:
        scores = ops.where(mask, scores, -1e9)
    probabilities = ops.cast(ops.softmax(scores, axis=-1), query.dtype)
    if dropout is not None:
        probabilities = dropout(probabilities)
    attended = ops.matmul(ops.reshape(probabilities, (*shared, key_length)), ops.cast(value, query.dtype))
    return ops.transpose(ops.reshape(attended, (-1, heads, length, value.shape[-1])), (0, 2, 1, 3))


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
        key_value_heads: Number of heads of keys and values, a divisor of `heads`; by default `heads`. With fewer,
            successive heads of queries share them, and a cache is smaller by as much.
        use_bias: Whether the projections have biases.
        qkv_bias: Whether those of queries, keys and values have; by default `use_bias`.
        output_scale: Factor on the standard deviation of the output projection's initial weights; pre-norm stacks
            of `n` blocks take `(2 n) ** -0.5` so that the residual stream starts with the same variance at any depth.
        initial_scale: Factor on the standard deviation of all initial weights, which is else BERT's and GPT-2's 0.02.

    Attributes:
        watch: A function that is given the attention probabilities `[batch, heads, query length, key length]` of each
            call that drops none; None, as it is, leaves them to the fused kernel, which does not tell them. See
            `watched_attention`.

    Call arguments:
        inputs: `[batch, length, width]`.
        attention_mask: Booleans `[batch, length]`, `True` at tokens; or a mask that broadcasts to
            `[batch, heads, length, length]`; or what `segment_mask` returns, without a cache.
        rotations: Cosines and sines, `[length, d_k]` or `[batch, length, d_k]`, from `RotaryPositions`; `None` for no
            rotation.
        cache: Keys and values of the tokens before, from `empty_cache`: those of the inputs are written at
            `cache_index`, and queries attend to the slots that `attention_mask` allows them (`visible_slots`).
        cache_index: The slot of the first input, an integer scalar. At the Python integer 0 there is nothing before
            the inputs: they attend to one another as without a cache, under the mask that then belongs to it.
        dropout_seed: `seed` of `Dropout`, for the attention probabilities.

    Returns:
        `[batch, length, width]`; with a cache, also the new cache.

    Raises:
        InputError: If `heads` does not divide the width, or `key_value_heads` not `heads`.

    Source: Vaswani et al. 2017, section 3.2.2; Ainslie et al. 2023, "GQA".
    """

    def __init__(
        self,
        heads: int,
        dropout: float = 0.0,
        causal: bool = False,
        key_value_heads: int | None = None,
        use_bias: bool = True,
        qkv_bias: bool | None = None,
        output_scale: float = 1.0,
        initial_scale: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.heads, self.dropout, self.causal = heads, dropout, causal
        self.key_value_heads = heads if key_value_heads is None else key_value_heads
        self.use_bias, self.output_scale, self.initial_scale = use_bias, output_scale, initial_scale
        self.qkv_bias = use_bias if qkv_bias is None else qkv_bias
        self.watch: Callable[[Any], Any] | None = None

    def build(self, inputs_shape: Any) -> None:
        width = inputs_shape[-1]
        if width % self.heads:
            raise InputError(f"{self.heads} heads do not divide a width of {width}; choose a divisor of {width}.")
        if self.key_value_heads < 1 or self.heads % self.key_value_heads:
            raise InputError(
                f"{self.heads} heads cannot share {self.key_value_heads} heads of keys and values; "
                f"choose a divisor of {self.heads}."
            )
        # One kernel: the columns of queries, then keys, then values, each head by head.
        self.qkv = Dense(
            (self.heads + 2 * self.key_value_heads) * (width // self.heads),
            use_bias=self.qkv_bias,
            kernel_initializer=truncated_normal(self.initial_scale),
            dtype=self.dtype_policy,
            name="qkv",
        )
        self.qkv.build(inputs_shape)
        self.output_projection = Dense(
            width,
            use_bias=self.use_bias,
            kernel_initializer=truncated_normal(self.initial_scale * self.output_scale),
            dtype=self.dtype_policy,
            name="output",
        )
        self.output_projection.build(inputs_shape)
        self.probability_dropout = Dropout(self.dropout, dtype=self.dtype_policy, name="dropout")

    def call(
        self,
        inputs: Any,
        attention_mask: Any = None,
        rotations: Any = None,
        cache: Any = None,
        cache_index: Any = None,
        training: bool | None = None,
        dropout_seed: Any = None,
    ) -> Any:
        length, width = ops.shape(inputs)[1], inputs.shape[-1]
        heads, shared = self.heads, self.key_value_heads
        qkv = ops.reshape(self.qkv(inputs), (-1, length, heads + 2 * shared, width // heads))
        query, key, value = qkv[:, :, :heads], qkv[:, :, heads : heads + shared], qkv[:, :, heads + shared :]
        if rotations is not None:
            query, key = rotate(query, rotations), rotate(key, rotations)
        drops = bool(training) and self.dropout > 0
        if isinstance(attention_mask, Segments):
            if not drops and self.watch is None and attention_mask.takes(width // heads):
                attended = attention_mask.attend(query, key, value, self.causal)
                return self.output_projection(ops.reshape(attended, (-1, length, width)))
            attention_mask = attention_mask.mask()
        elif attention_mask is not None and len(attention_mask.shape) == 2:
            attention_mask = attention_mask[:, None, None, :]
        watched = None if self.watch is None else self.watched
        if cache is not None:
            cache = (write_cache(cache[0], key, cache_index), write_cache(cache[1], value, cache_index))
        if cache is not None and not (isinstance(cache_index, int) and cache_index == 0):
            attended = attention_to_heads(query, cache[0], cache[1], mask=attention_mask, dropout=watched)
        else:
            attended = scaled_dot_product_attention(
                query,
                key,
                value,
                mask=attention_mask,
                causal=self.causal,
                dropout=(lambda p: self.probability_dropout(p, training=True, seed=dropout_seed)) if drops else watched,
            )
        outputs = self.output_projection(ops.reshape(attended, (-1, length, width)))
        return outputs if cache is None else (outputs, cache)

    def watched(self, probabilities: Any) -> Any:
        """Give attention probabilities to `watch`, and return them as they are."""
        assert self.watch is not None
        self.watch(probabilities)
        return probabilities

    def compute_output_shape(self, inputs_shape: Any, **_: Any) -> Any:
        return inputs_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "heads": self.heads,
            "dropout": self.dropout,
            "causal": self.causal,
            "key_value_heads": self.key_value_heads,
            "use_bias": self.use_bias,
            "qkv_bias": self.qkv_bias,
            "output_scale": self.output_scale,
            "initial_scale": self.initial_scale,
        }


@contextmanager
def watched_attention(model: keras.layers.Layer, watch: Callable[[Any], Any]) -> Iterator[None]:
    """Have the attention probabilities of every block of a model told, in the order in which they are computed.

    Where a block is computed several times (`shared_blocks`), so are they. What was compiled before, such as the
    function of `predict`, does not tell them: call the model itself.

    Args:
        model: A layer or a model with `SelfAttention` in it.
        watch: It is given those of a block, `[batch, heads, query length, key length]`, in the compute dtype.

    Raises:
        InputError: If there is no `SelfAttention` in the model.

    Example:
        >>> from kpt import Encoder
        >>> encoder = Encoder(100, width=8, depth=2, heads=2, segments=0)
        >>> told = []
        >>> with watched_attention(encoder, told.append):
        ...     _ = encoder({"token_ids": ops.ones((1, 3), "int32"), "padding_mask": ops.ones((1, 3), "bool")})
        >>> [tuple(weights.shape) for weights in told]
        [(1, 2, 3, 3), (1, 2, 3, 3)]
    """
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, SelfAttention)]
    if not layers:
        raise InputError(f"a {type(model).__name__} has no attention to look at; give an encoder or a decoder")
    for layer in layers:
        layer.watch = watch
    try:
        yield
    finally:
        for layer in layers:
            layer.watch = None
