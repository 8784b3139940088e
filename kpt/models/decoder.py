"""The Transformer decoder: GPT-2 and its descendants."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from kpt.errors import InputError
from kpt.layers import (
    Dropout,
    LearnedPositions,
    RotaryPositions,
    TokenEmbedding,
    TransformerBlock,
    activation_name,
    empty_cache,
    normalization_layer,
    segment_mask,
    visible_slots,
)

__all__ = ["Decoder"]

POSITIONS = ("learned", "rotary")


@keras.saving.register_keras_serializable("kpt")
class Decoder(keras.Model):
    """A causal Transformer decoder, as a Keras model: each position sees itself and what is before it.

    The defaults are GPT-2's. `kpt.models.gpt2_config` has the published sizes and `kpt.models.decoder_config` sizes
    with the recipe that learns best from small corpora.

    Inputs (a dict):
        token_ids: int32 `[batch, length]`.
        positions: int32 `[batch, length]`, optional; by default they count from 0, or from `cache_index`.
        segment_ids: int32 `[batch, length]`, optional: a token sees those of its own segment alone, such as the
            documents of a packed sequence. Not together with a cache. On CUDA with PyTorch and on TPU with JAX a
            kernel takes them; elsewhere, with dropout of attention probabilities, and (CUDA) for heads of a depth
            under 16 they become a mask of booleans
            `[batch, 1, length, length]`, see `kpt.layers.segment_mask`.

    Other call arguments:
        cache: The keys and values of earlier tokens, from `empty_cache` or an earlier call; it must not be used again
            after the call. Those of the inputs are written at `cache_index`, and the inputs attend to all slots up to
            their own.
        cache_index: The slot of the first input, an integer scalar; at the Python integer 0 nothing is read from the
            cache. `cache_index` plus the length must not pass the length of the cache, which is not checked.
        key_mask: Booleans `[batch, cache length]`, `True` at the slots that hold tokens, as left-padded prompts of
            unequal length need it. What comes out at padding itself is of no use.

    Outputs (a dict):
        sequence: `[batch, length, width]`; `logits` makes logits of it.
        cache: The new cache, where one was given.

    Args:
        vocabulary_size: Number of entries of the vocabulary.
        width: Width of the residual stream.
        depth: Number of blocks.
        heads: Number of attention heads.
        key_value_heads: Number of heads of keys and values, a divisor of `heads`; by default `heads`.
        feed_forward_width: Hidden width of the feed-forward networks; by default four times `width`.
        maximum_length: Longest sequence.
        positions: `"learned"` or `"rotary"`.
        rotary_base: `base` of `kpt.layers.rotary_frequencies`, where positions are rotary.
        rotary_scaling: `scaling` of the same.
        normalization: `"layer_norm"` or `"rms_norm"`, before each part of a block and after the last.
        activation: Activation of the feed-forward networks.
        gated: Whether the feed-forward networks are gated.
        dropout: Rate on embeddings and on the output of each part of a block.
        attention_dropout: Rate on attention probabilities; by default `dropout`.
        use_bias: Whether the projections and the layer norms have biases.
        qkv_bias: Whether the projections to queries, keys and values have biases; by default `use_bias`.
        epsilon: Of the normalizations.
        tied: Whether logits are products with the token embedding; else the output has a matrix of its own.
        scale_embedding: Whether token embeddings are multiplied by the root of `width`, see `Encoder`.
        initial_deviation: Standard deviation of the initial weights, cut at twice that. GPT-2's 0.02 suits widths from
            about 768 up; narrower models learn faster from larger weights.
        remat: See `TransformerBlock`.

    Raises:
        InputError: If `heads` does not divide `width`, or `key_value_heads` not `heads`, or a name is unknown.

    Example:
        >>> decoder = Decoder(vocabulary_size=100, width=32, depth=2, heads=4, maximum_length=16)
        >>> decoder.count_params()
        29184

    Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners".
    """

    def __init__(
        self,
        vocabulary_size: int,
        width: int,
        depth: int,
        heads: int,
        key_value_heads: int | None = None,
        feed_forward_width: int | None = None,
        maximum_length: int = 1024,
        positions: str = "learned",
        rotary_base: float = 10_000.0,
        rotary_scaling: dict[str, float] | None = None,
        normalization: str = "layer_norm",
        activation: Any = "gelu_tanh",
        gated: bool = False,
        dropout: float = 0.1,
        attention_dropout: float | None = None,
        use_bias: bool = True,
        qkv_bias: bool | None = None,
        epsilon: float = 1e-5,
        tied: bool = True,
        scale_embedding: bool = False,
        initial_deviation: float = 0.02,
        remat: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if positions not in POSITIONS:
            raise InputError(f"Unknown positions {positions!r}; choose one of {', '.join(POSITIONS)}.")
        for name, value in (("vocabulary_size", vocabulary_size), ("width", width), ("depth", depth), ("heads", heads)):
            if value < 1:
                raise InputError(f"{name} is {value}; give 1 or more.")
        if width % heads:
            raise InputError(f"{heads} heads do not divide a width of {width}; choose a divisor of {width}.")
        self.arguments = {
            "vocabulary_size": vocabulary_size,
            "width": width,
            "depth": depth,
            "heads": heads,
            "key_value_heads": heads if key_value_heads is None else key_value_heads,
            "feed_forward_width": feed_forward_width or 4 * width,
            "maximum_length": maximum_length,
            "positions": positions,
            "rotary_base": rotary_base,
            "rotary_scaling": rotary_scaling,
            "normalization": normalization,
            "activation": activation_name(activation),
            "gated": gated,
            "dropout": dropout,
            "attention_dropout": dropout if attention_dropout is None else attention_dropout,
            "use_bias": use_bias,
            "qkv_bias": use_bias if qkv_bias is None else qkv_bias,
            "epsilon": epsilon,
            "tied": tied,
            "scale_embedding": scale_embedding,
            "initial_deviation": initial_deviation,
            "remat": remat,
        }
        # What heads, objectives, generation and checks of a run ask a backbone for.
        self.vocabulary_size, self.width, self.heads = vocabulary_size, width, heads
        self.maximum_length, self.normalization = maximum_length, normalization

        policy, scale = self.dtype_policy, initial_deviation / 0.02
        self.token_embedding = TokenEmbedding(
            vocabulary_size, width, tied=tied, initial_scale=scale, dtype=policy, name="token_embedding"
        )
        self.positions = (
            LearnedPositions(maximum_length, dtype=policy, name="positions")
            if positions == "learned"
            else RotaryPositions(width // heads, rotary_base, maximum_length, rotary_scaling, name="positions")
        )
        self.embedding_dropout = Dropout(dropout, dtype=policy, name="embedding_dropout")
        shared = ("heads", "feed_forward_width", "key_value_heads", "normalization", "activation", "gated", "epsilon")
        options = {
            name: self.arguments[name]
            for name in (*shared, "dropout", "attention_dropout", "use_bias", "qkv_bias", "remat")
        }
        self.blocks = [
            TransformerBlock(
                **options,
                norm_first=True,
                causal=True,
                output_scale=(2 * depth) ** -0.5,
                initial_scale=scale,
                dtype=policy,
                name=f"block_{index}",
            )
            for index in range(depth)
        ]
        self.final_norm = normalization_layer(normalization, epsilon, use_bias, dtype=policy, name="final_norm")
        self.token_embedding.build((None, None))
        for part in (self.positions, *self.blocks, self.final_norm):
            part.build((None, None, width))
        self.built = True

    @property
    def input(self) -> dict[str, Any]:
        """What of a batch the model takes, by name."""
        names = ("token_ids", "positions", "segment_ids")
        return {name: keras.KerasTensor((None, None), dtype="int32", name=name) for name in names}

    def call(
        self,
        inputs: Any,
        training: bool | None = None,
        cache: Any = None,
        cache_index: Any = None,
        key_mask: Any = None,
    ) -> dict[str, Any]:
        token_ids, positions, segment_ids = (inputs.get(name) for name in ("token_ids", "positions", "segment_ids"))
        x = self.token_embedding(token_ids)
        if self.arguments["scale_embedding"]:
            x = x * self.width**0.5
        mask = None
        if cache is not None:
            length, cache_length = ops.shape(token_ids)[1], ops.shape(cache[0][0])[2]
            if isinstance(cache_index, int) and cache_index == 0:
                mask = None if key_mask is None else key_mask[:, :length]
            else:
                mask = visible_slots(cache_length, length, cache_index, key_mask)
                if positions is None:
                    positions = cache_index + ops.arange(length, dtype="int32")
        elif segment_ids is not None:
            mask = segment_mask(segment_ids)
        rotations = None
        if isinstance(self.positions, RotaryPositions):
            rotations = self.positions(token_ids, positions=positions)
        else:
            x = self.positions(x, positions=positions)
        x = self.embedding_dropout(x, training=training)
        new_cache = []
        for index, block in enumerate(self.blocks):
            x = block(
                x,
                padding_mask=mask,
                rotations=rotations,
                cache=None if cache is None else cache[index],
                cache_index=cache_index,
                training=training,
            )
            if cache is not None:
                x, written = x
                new_cache.append(written)
        sequence = self.final_norm(x)
        return {"sequence": sequence} if cache is None else {"sequence": sequence, "cache": tuple(new_cache)}

    def compute_output_spec(self, inputs: Any, training: Any = None, cache: Any = None, **_: Any) -> dict[str, Any]:
        shape = (*inputs["token_ids"].shape, self.width)
        sequence = keras.KerasTensor(shape, dtype=self.compute_dtype)
        if cache is None:
            return {"sequence": sequence}
        like = keras.tree.map_structure(lambda x: keras.KerasTensor(x.shape, dtype=x.dtype), cache)
        return {"sequence": sequence, "cache": like}

    def logits(self, sequence: Any) -> Any:
        """Return the scores of each entry of the vocabulary to come next.

        Args:
            sequence: Vectors `[..., width]` of the output `sequence`.

        Returns:
            `[..., vocabulary_size]`, in the compute dtype.
        """
        return self.token_embedding(sequence, reverse=True)

    def empty_cache(self, batch: Any, length: Any) -> tuple[tuple[Any, Any], ...]:
        """Return a cache that holds nothing yet, to be given to `call`.

        Args:
            batch: Number of sequences.
            length: Number of slots, one for each token. Both may be scalar tensors; the length is then not checked.

        Returns:
            For each block its keys and values in the compute dtype, `[batch, key_value_heads, length, depth of a
            head]` each.

        Raises:
            InputError: If there are more slots than the model has positions.
        """
        if isinstance(length, int) and length > self.maximum_length:
            raise InputError(
                f"A cache of {length} tokens is longer than the model's {self.maximum_length} positions; "
                "generate fewer tokens or build the model with a larger maximum_length."
            )
        heads, depth = self.arguments["key_value_heads"], self.width // self.heads
        return tuple(empty_cache(batch, heads, length, depth, self.compute_dtype) for _ in self.blocks)

    def get_config(self) -> dict[str, Any]:
        return {
            **self.arguments,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "name": self.name,
            "trainable": self.trainable,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Decoder:
        return cls(**config)
