"""The normalization of Transformer blocks, chosen by name."""

from __future__ import annotations

from typing import Any

import keras

from kpt.errors import InputError

__all__ = ["NORMALIZATIONS", "normalization_layer"]

NORMALIZATIONS = {
    "layer_norm": keras.layers.LayerNormalization,
    "rms_norm": keras.layers.RMSNormalization,
}


def normalization_layer(kind: str, epsilon: float, use_bias: bool = True, **kwargs: Any) -> keras.layers.Layer:
    """Return a new normalization layer over the last axis.

    Args:
        kind: `"layer_norm"` (Ba et al. 2016) or `"rms_norm"` (Zhang and Sennrich 2019).
        epsilon: Added to the variance.
        use_bias: Whether a layer norm adds a learned vector; an RMS norm never does.
        **kwargs: Passed on to the Keras layer.

    Returns:
        The layer.

    Raises:
        InputError: If `kind` is neither.
    """
    if kind not in NORMALIZATIONS:
        raise InputError(f"Unknown normalization {kind!r}; choose one of {', '.join(NORMALIZATIONS)}.")
    if kind == "layer_norm":
        kwargs["center"] = use_bias
    return NORMALIZATIONS[kind](axis=-1, epsilon=epsilon, **kwargs)
