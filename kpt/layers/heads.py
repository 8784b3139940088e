"""Heads: what stands between a backbone's outputs and an objective's predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kpt.layers.activations import activation_function, activation_name
from kpt.layers.dense import Dense
from kpt.layers.initializers import truncated_normal
from kpt.layers.normalization import normalization_layer

__all__ = ["MaskedLMHead", "Pooler", "gather_positions"]


def gather_positions(sequence: Any, positions: Any) -> Any:
    """Return the vectors that stand at the given positions.

    Args:
        sequence: `[batch, length, width]`.
        positions: Integers `[batch, slots]`, each in `[0, length)`.

    Returns:
        `[batch, slots, width]`.
    """
    length, width = ops.shape(sequence)[1], sequence.shape[-1]
    batch = ops.shape(positions)[0]
    # One gather over the flattened rows: its gradient is a plain scatter-add on every backend.
    rows = ops.expand_dims(ops.arange(batch, dtype="int32") * length, 1) + ops.cast(positions, "int32")
    return ops.take(ops.reshape(sequence, (-1, width)), rows, axis=0)


@keras.saving.register_keras_serializable("kpt")
class MaskedLMHead(keras.layers.Layer):
    r"""BERT's masked language model head, evaluated only where a token is to be predicted.

    .. math:: \mathrm{logits} = \mathrm{Norm}(f(h_p W + b)) E^\top + c

    Args:
        vocabulary_size: Number of entries of the vocabulary.
        activation: The transform's activation :math:`f`.
        normalization: `"layer_norm"` or `"rms_norm"`.
        epsilon: Of the normalization.
        hidden_width: Width after the transform, that of the token embedding; by default that of `sequence`.

    Call arguments:
        sequence: The backbone's `[batch, length, width]`.
        positions: Integers `[batch, slots]`.
        project: Multiplies vectors `[batch, slots, hidden_width]` by the transposed token embedding :math:`E^\top`, so
            that input and output share it.

    Returns:
        Logits `[batch, slots, vocabulary]`.

    Source: Devlin et al. 2018, google-research/bert `get_masked_lm_output`.
    """

    def __init__(
        self,
        vocabulary_size: int,
        activation: Any = "gelu",
        normalization: str = "layer_norm",
        epsilon: float = 1e-12,
        hidden_width: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.vocabulary_size, self.epsilon, self.hidden_width = vocabulary_size, epsilon, hidden_width
        self.activation, self.normalization = activation_function(activation), normalization

    def build(self, sequence_shape: Any, *_: Any, **__: Any) -> None:
        width = self.hidden_width or sequence_shape[-1]
        self.transform = Dense(
            width,
            activation=self.activation,
            kernel_initializer=truncated_normal(),
            dtype=self.dtype_policy,
            name="transform",
        )
        self.transform.build(sequence_shape)
        self.norm = normalization_layer(self.normalization, self.epsilon, dtype=self.dtype_policy, name="norm")
        self.norm.build((*sequence_shape[:-1], width))
        self.bias = self.add_weight(shape=(self.vocabulary_size,), initializer="zeros", name="bias")

    def call(self, sequence: Any, positions: Any, project: Callable[[Any], Any]) -> Any:
        hidden = self.norm(self.transform(gather_positions(sequence, positions)))
        logits = project(hidden)
        return logits + ops.cast(self.bias, logits.dtype)

    def compute_output_shape(self, sequence_shape: Any, positions_shape: Any, **_: Any) -> Any:
        return (*positions_shape, self.vocabulary_size)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "activation": activation_name(self.activation),
            "normalization": self.normalization,
            "epsilon": self.epsilon,
            "hidden_width": self.hidden_width,
        }


@keras.saving.register_keras_serializable("kpt")
class Pooler(keras.layers.Layer):
    r"""The vector of a whole sequence: :math:`f(h_0 W + b)`, from its first token.

    Args:
        activation: :math:`f`; BERT's is the hyperbolic tangent.

    Call arguments:
        sequence: `[batch, length, width]`.

    Returns:
        `[batch, width]`.

    Source: Devlin et al. 2018, google-research/bert `pooled_output`.
    """

    def __init__(self, activation: Any = "tanh", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activation_function(activation)

    def build(self, sequence_shape: Any) -> None:
        width = sequence_shape[-1]
        self.dense = Dense(
            width,
            activation=self.activation,
            kernel_initializer=truncated_normal(),
            dtype=self.dtype_policy,
            name="dense",
        )
        self.dense.build((sequence_shape[0], width))

    def call(self, sequence: Any) -> Any:
        return self.dense(sequence[:, 0])

    def compute_output_shape(self, sequence_shape: Any) -> Any:
        return (sequence_shape[0], sequence_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "activation": activation_name(self.activation)}
