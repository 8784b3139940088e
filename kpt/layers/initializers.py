"""The initial weights of Transformer layers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import keras

__all__ = ["truncated_normal", "zeros_instead"]

_ZEROS = ContextVar("zeros", default=False)


@contextmanager
def zeros_instead() -> Iterator[None]:
    """Let `truncated_normal` give zeros, for a model whose weights are read from a file next.

    Drawing them would take time, and several times the memory of the largest.
    """
    token = _ZEROS.set(True)
    try:
        yield
    finally:
        _ZEROS.reset(token)


def truncated_normal(scale: float = 1.0) -> keras.initializers.Initializer:
    """Return BERT's initializer, a normal distribution of standard deviation `0.02 * scale` cut at two deviations.

    Within `zeros_instead` it is zeros.

    Args:
        scale: Factor on the standard deviation.

    Returns:
        A fresh initializer; each layer takes its own, since Keras warns when one instance fills several weights.

    Source: Devlin et al. 2018, google-research/bert `initializer_range`.
    """
    if _ZEROS.get():
        return keras.initializers.Zeros()
    return keras.initializers.TruncatedNormal(stddev=0.02 * scale)
