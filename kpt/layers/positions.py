"""Positions of tokens: sinusoidal, learned and rotary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from kpt.errors import InputError
from kpt.layers.initializers import truncated_normal

__all__ = [
    "LearnedPositions",
    "RotaryPositions",
    "SinusoidalPositions",
    "rotary_frequencies",
    "rotate",
    "sinusoids",
]


def sinusoids(length: int, width: int, base: float = 10_000.0) -> np.ndarray:
    r"""Return the table of sinusoidal positions.

    .. math:: PE_{t, 2i} = \sin(t / base^{2i / width}), \quad PE_{t, 2i+1} = \cos(t / base^{2i / width})

    Args:
        length: Number of positions.
        width: Width of a position's vector, even.
        base: The largest wavelength divided by 2 pi.

    Returns:
        float32 `[length, width]`.

    Raises:
        InputError: If `width` is odd.

    Source: Vaswani et al. 2017, section 3.5.
    """
    if width % 2:
        raise InputError(f"Sinusoidal positions pair sine and cosine, so the width must be even, not {width}.")
    angles = np.arange(length)[:, None] * base ** (-np.arange(0, width, 2) / width)
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(length, width).astype("float32")


def rotate(inputs: Any, rotations: Any) -> Any:
    r"""Rotate the pairs (i, i + depth/2) of each head's vector by the angle of its position.

    .. math:: (x_1, x_2) \to (x_1 \cos\theta - x_2 \sin\theta,\; x_2 \cos\theta + x_1 \sin\theta)

    Args:
        inputs: Queries or keys, `[batch, length, heads, depth]`.
        rotations: Cosines, then sines, `[length, depth]` or `[batch, length, depth]`, from `RotaryPositions`.

    Returns:
        `[batch, length, heads, depth]`, in the dtype of `inputs`. A product of a rotated query and a rotated key
        depends on their positions only through the difference.

    Source: Su et al. 2021, "RoFormer", equation 34, with the pairing of the halves that Llama and GPT-NeoX use.
    """
    cosine, sine = ops.split(ops.expand_dims(ops.cast(rotations, inputs.dtype), -2), 2, axis=-1)
    first, second = ops.split(inputs, 2, axis=-1)
    return ops.concatenate([first * cosine - second * sine, second * cosine + first * sine], axis=-1)


def rotary_frequencies(depth: int, base: float, scaling: Mapping[str, float] | None = None) -> np.ndarray:
    r"""Return the angle by which each pair of a head's vector turns from one position to the next.

    .. math:: f_i = base^{-2i/depth}

    With `scaling`, as Llama 3.1 has it for long contexts, pairs that turn fewer than `low_freq_factor` times within
    `original_max_position_embeddings` turn `factor` times slower, those that turn more than `high_freq_factor` times
    stay as they are, and what is between goes linearly, by the number of turns, from the one to the other.

    Args:
        depth: Width of one head, even.
        base: The largest wavelength divided by 2 pi.
        scaling: The four numbers by these names; `None` for no scaling.

    Returns:
        float64 `[depth / 2]`.

    Source: Su et al. 2021, "RoFormer", section 3.2.2; Grattafiori et al. 2024, "The Llama 3 Herd of Models".
    """
    frequencies: np.ndarray = base ** (-np.arange(0, depth, 2) / depth)
    if scaling is None:
        return frequencies
    turns = scaling["original_max_position_embeddings"] * frequencies / (2 * np.pi)
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    kept = np.clip((turns - low) / (high - low), 0.0, 1.0)
    return frequencies * (kept + (1 - kept) / scaling["factor"])


@keras.saving.register_keras_serializable("kpt")
class RotaryPositions(keras.layers.Layer):
    r"""Cosines and sines of the angles :math:`\theta_{t,i} = t \cdot base^{-2i/depth}` that rotary attention turns by.

    One layer serves every block of a model, so they are computed once. The angles themselves never leave the layer:
    a layer in bfloat16 would round the angle of position 100 by a quarter of a radian, but its cosine by 0.002.

    Args:
        depth: Width of one head, even.
        base: The largest wavelength divided by 2 pi.
        maximum_length: Longest sequence that is taken; by default any.
        scaling: See `rotary_frequencies`.

    Call arguments:
        inputs: A tensor whose second axis is the length, such as token ids `[batch, length]`.
        positions: Integers `[batch, length]` or `[length]`; by default 0, 1, 2, ...

    Returns:
        float32 `[length, depth]`, or `[batch, length, depth]` where `positions` are so: cosines, then sines.

    Raises:
        InputError: If `depth` is odd, or the length is over `maximum_length`.

    Source: Su et al. 2021, "RoFormer: Enhanced Transformer with Rotary Position Embedding".
    """

    def __init__(
        self,
        depth: int,
        base: float = 10_000.0,
        maximum_length: int | None = None,
        scaling: Mapping[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if depth % 2:
            raise InputError(f"Rotary positions turn pairs, so the width of a head must be even, not {depth}.")
        self.depth, self.base, self.maximum_length, self.scaling = depth, base, maximum_length, scaling

    def call(self, inputs: Any, positions: Any = None) -> Any:
        if self.maximum_length is not None:
            check_length(inputs.shape[1], self.maximum_length)
        if positions is None:
            positions = ops.arange(ops.shape(inputs)[1], dtype="float32")
        frequencies = ops.convert_to_tensor(rotary_frequencies(self.depth, self.base, self.scaling), dtype="float32")
        angles = ops.expand_dims(ops.cast(positions, "float32"), -1) * frequencies
        return ops.concatenate([ops.cos(angles), ops.sin(angles)], axis=-1)

    def compute_output_spec(self, inputs: Any, positions: Any = None) -> Any:
        lead = (inputs.shape[1],) if positions is None else tuple(positions.shape)
        return keras.KerasTensor((*lead, self.depth), dtype="float32")

    def get_config(self) -> dict[str, Any]:
        names = ("depth", "base", "maximum_length", "scaling")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("kpt")
class LearnedPositions(keras.layers.Layer):
    """Add a learned vector for each position, as BERT and GPT-2 do.

    Args:
        maximum_length: Number of positions that have a vector.

    Call arguments:
        inputs: `[batch, length, width]`.
        positions: Integers `[batch, length]` or `[length]`; by default 0, 1, 2, ...

    Returns:
        `[batch, length, width]`: the inputs plus the positions' vectors.

    Raises:
        InputError: If the length is over `maximum_length`.

    Source: Devlin et al. 2018, "BERT", section 3.
    """

    def __init__(self, maximum_length: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.maximum_length = maximum_length

    def build(self, inputs_shape: Any) -> None:
        self.embeddings = self.add_weight(
            shape=(self.maximum_length, inputs_shape[-1]), initializer=truncated_normal(), name="embeddings"
        )

    def call(self, inputs: Any, positions: Any = None) -> Any:
        check_length(inputs.shape[1], self.maximum_length)
        table = ops.cast(self.embeddings, self.compute_dtype)
        if positions is not None:
            # TensorFlow's gradient of a lookup is slices, that of a reshape is dense: see `TokenEmbedding`.
            return inputs + ops.take(ops.reshape(table, (self.maximum_length, -1)), positions, axis=0)
        return inputs + table[: ops.shape(inputs)[1]]

    def compute_output_shape(self, inputs_shape: Any, **_: Any) -> Any:
        return inputs_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "maximum_length": self.maximum_length}


@keras.saving.register_keras_serializable("kpt")
class SinusoidalPositions(keras.layers.Layer):
    """Add the fixed sinusoidal vector of each position.

    Args:
        maximum_length: Longest sequence that will be given.
        base: See `sinusoids`.

    Call arguments:
        inputs: `[batch, length, width]`, of even width.

    Returns:
        `[batch, length, width]`.

    Raises:
        InputError: If the length is over `maximum_length` or the width is odd.

    Source: Vaswani et al. 2017, section 3.5.
    """

    def __init__(self, maximum_length: int, base: float = 10_000.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.maximum_length, self.base = maximum_length, base

    def call(self, inputs: Any) -> Any:
        check_length(inputs.shape[1], self.maximum_length)
        table = sinusoids(self.maximum_length, inputs.shape[-1], self.base)
        return inputs + ops.convert_to_tensor(table, dtype=self.compute_dtype)[: ops.shape(inputs)[1]]

    def compute_output_shape(self, inputs_shape: Any) -> Any:
        return inputs_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "maximum_length": self.maximum_length, "base": self.base}


def check_length(length: int | None, maximum_length: int) -> None:
    """Refuse a length over the model's positions.

    Args:
        length: Length of a batch, `None` where it is not known yet.
        maximum_length: Number of positions of the model.

    Raises:
        InputError: If `length` is over `maximum_length`.
    """
    if length is not None and length > maximum_length:
        raise InputError(
            f"A sequence of {length} tokens is longer than the model's {maximum_length} positions; "
            "shorten the sequences or build the model with a larger maximum_length."
        )
