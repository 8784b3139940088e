"""The Transformer encoder: BERT and its descendants."""

from __future__ import annotations

from typing import Any

import keras

from kpt.errors import InputError
from kpt.layers import (
    Dense,
    Dropout,
    LearnedPositions,
    Pooler,
    RotaryPositions,
    SegmentEmbedding,
    SinusoidalPositions,
    TransformerBlock,
    activation_name,
    normalization_layer,
    truncated_normal,
)

__all__ = ["Encoder"]

POSITIONS = ("learned", "sinusoidal", "rotary")


@keras.saving.register_keras_serializable("kpt")
class Encoder(keras.Model):
    """A bidirectional Transformer encoder, as a functional Keras model.

    The defaults are BERT's. `kpt.models.bert_config` has the published sizes and `kpt.models.encoder_config` the same
    sizes with the recipe that learns best from small corpora.

    Inputs (a dict):
        token_ids: int32 `[batch, length]`.
        segment_ids: int32 `[batch, length]`, 0 for the first text and 1 for the second; absent if `segments` is 0.
        padding_mask: bool `[batch, length]`, `True` at tokens and `False` at padding.

    Outputs (a dict):
        sequence: `[batch, length, width]`.
        pooled: `[batch, width]`, if the model has a pooler.

    Args:
        vocabulary_size: Number of entries of the vocabulary.
        width: Width of the residual stream.
        depth: Number of blocks.
        heads: Number of attention heads.
        feed_forward_width: Hidden width of the feed-forward networks; by default four times `width`.
        maximum_length: Longest sequence.
        segments: Number of segments that have an embedding; 0 for none.
        positions: `"learned"`, `"sinusoidal"` or `"rotary"`.
        norm_first: `False` for post-norm (BERT), `True` for pre-norm.
        normalization: `"layer_norm"` or `"rms_norm"`.
        activation: Activation of the feed-forward networks.
        gated: Whether the feed-forward networks are gated.
        dropout: Rate on embeddings and on the output of each part of a block.
        attention_dropout: Rate on attention probabilities; by default `dropout`.
        use_bias: Whether the projections in the blocks have biases.
        epsilon: Of the normalizations.
        pooler: Whether there is a `pooled` output.
        pooler_activation: Of the pooler.
        scale_embedding: Whether token embeddings are multiplied by the root of `width` before anything is added to
            them, so that a segment's or position's vector, which every token shares and which therefore learns much
            faster, does not drown them in the first steps (Vaswani et al. 2017, section 3.4). Where embeddings have a
            width of their own, it is the root of that.
        embedding_width: Width of the embeddings, which a dense layer then takes to `width` (ALBERT, ELECTRA); by
            default it is `width`, without that layer.
        shared_blocks: Whether all blocks are one block, with one set of weights (ALBERT).
        remat: See `TransformerBlock`.

    Raises:
        InputError: If a size is below 1, `heads` does not divide `width`, or `positions` or `normalization` is unknown.

    Example:
        >>> encoder = Encoder(vocabulary_size=100, width=32, depth=2, heads=4, maximum_length=16)
        >>> encoder.count_params()
        30304

    Source: Devlin et al. 2018, "BERT: Pre-training of Deep Bidirectional Transformers"; Lan et al. 2019, "ALBERT",
    section 3.1 (factorized embeddings, shared blocks).
    """

    def __init__(
        self,
        vocabulary_size: int,
        width: int,
        depth: int,
        heads: int,
        feed_forward_width: int | None = None,
        maximum_length: int = 512,
        segments: int = 2,
        positions: str = "learned",
        norm_first: bool = False,
        normalization: str = "layer_norm",
        activation: Any = "gelu",
        gated: bool = False,
        dropout: float = 0.1,
        attention_dropout: float | None = None,
        use_bias: bool = True,
        epsilon: float = 1e-12,
        pooler: bool = True,
        scale_embedding: bool = False,
        embedding_width: int | None = None,
        pooler_activation: Any = "tanh",
        shared_blocks: bool = False,
        remat: bool = False,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        if positions not in POSITIONS:
            raise InputError(f"Unknown positions {positions!r}; choose one of {', '.join(POSITIONS)}.")
        inner = width if embedding_width is None else embedding_width
        sizes = {"vocabulary_size": vocabulary_size, "width": width, "depth": depth, "heads": heads}
        for name, value in {**sizes, "embedding_width": inner}.items():
            if value < 1:
                raise InputError(f"{name} is {value}; give 1 or more.")
        if width % heads:
            raise InputError(f"{heads} heads do not divide a width of {width}; choose a divisor of {width}.")
        feed_forward_width = feed_forward_width or 4 * width
        attention_dropout = dropout if attention_dropout is None else attention_dropout
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())

        inputs = {
            "token_ids": keras.Input((None,), dtype="int32", name="token_ids"),
            "padding_mask": keras.Input((None,), dtype="bool", name="padding_mask"),
        }
        token_embedding = keras.layers.ReversibleEmbedding(
            vocabulary_size,
            inner,
            embeddings_initializer=truncated_normal(),
            dtype=policy,
            reverse_dtype=policy.compute_dtype,  # Keras would multiply in float32 whatever the policy
            name="token_embedding",
        )
        x = token_embedding(inputs["token_ids"])
        if scale_embedding:
            x = x * inner**0.5
        if segments:
            inputs["segment_ids"] = keras.Input((None,), dtype="int32", name="segment_ids")
            x = x + SegmentEmbedding(segments, inner, dtype=policy, name="segment_embedding")(inputs["segment_ids"])
        rotations = None
        if positions == "rotary":
            rotations = RotaryPositions(width // heads, maximum_length=maximum_length, name="positions")(
                inputs["token_ids"]
            )
        else:
            table = LearnedPositions if positions == "learned" else SinusoidalPositions
            x = table(maximum_length, dtype=policy, name="positions")(x)
        if not norm_first:
            x = normalization_layer(normalization, epsilon, dtype=policy, name="embedding_norm")(x)
        x = Dropout(dropout, dtype=policy, name="embedding_dropout")(x)
        if embedding_width is not None:
            x = Dense(width, kernel_initializer=truncated_normal(), dtype=policy, name="embedding_projection")(x)
        blocks = [
            TransformerBlock(
                heads,
                feed_forward_width,
                norm_first=norm_first,
                normalization=normalization,
                activation=activation,
                gated=gated,
                dropout=dropout,
                attention_dropout=attention_dropout,
                use_bias=use_bias,
                output_scale=(2 * depth) ** -0.5 if norm_first else 1.0,
                epsilon=epsilon,
                remat=remat,
                dtype=policy,
                name=name,
            )
            for name in (["block"] if shared_blocks else [f"block_{index}" for index in range(depth)])
        ]
        for block in blocks * (depth if shared_blocks else 1):
            x = block(x, padding_mask=inputs["padding_mask"], rotations=rotations)
        if norm_first:
            x = normalization_layer(normalization, epsilon, dtype=policy, name="final_norm")(x)
        outputs = {"sequence": x}
        if pooler:
            outputs["pooled"] = Pooler(pooler_activation, dtype=policy, name="pooler")(x)
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

        self.token_embedding = token_embedding
        self.arguments = {
            "vocabulary_size": vocabulary_size,
            "width": width,
            "depth": depth,
            "heads": heads,
            "feed_forward_width": feed_forward_width,
            "maximum_length": maximum_length,
            "segments": segments,
            "positions": positions,
            "norm_first": norm_first,
            "normalization": normalization,
            "activation": activation_name(activation),
            "gated": gated,
            "dropout": dropout,
            "attention_dropout": attention_dropout,
            "use_bias": use_bias,
            "epsilon": epsilon,
            "pooler": pooler,
            "scale_embedding": scale_embedding,
            "embedding_width": embedding_width,
            "pooler_activation": activation_name(pooler_activation),
            "shared_blocks": shared_blocks,
            "remat": remat,
        }
        # What heads, objectives and checks of a run ask a backbone for.
        self.vocabulary_size, self.width, self.heads = vocabulary_size, width, heads
        self.maximum_length, self.segments, self.normalization = maximum_length, segments, normalization
        self.epsilon, self.activation, self.embedding_width = epsilon, self.arguments["activation"], inner
        self.encoder_policy = policy

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        # Keras takes a dict with other keys by the order of its values; a batch has labels beside the inputs.
        return super().call({name: inputs[name] for name in self.input}, training=training)

    def get_config(self) -> dict[str, Any]:
        return {
            **self.arguments,
            "dtype": keras.dtype_policies.serialize(self.encoder_policy),
            "name": self.name,
            "trainable": self.trainable,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Encoder:
        return cls(**config)
