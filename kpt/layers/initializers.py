"""The initial weights of Transformer layers."""

from __future__ import annotations

import keras

__all__ = ["truncated_normal"]


def truncated_normal(scale: float = 1.0) -> keras.initializers.Initializer:
    """Return BERT's initializer, a normal distribution of standard deviation `0.02 * scale` cut at two deviations.

    Args:
        scale: Factor on the standard deviation.

    Returns:
        A fresh initializer; each layer takes its own, since Keras warns when one instance fills several weights.

    Source: Devlin et al. 2018, google-research/bert `initializer_range`.
    """
    return keras.initializers.TruncatedNormal(stddev=0.02 * scale)
