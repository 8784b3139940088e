"""How much two lists of numbers agree: in their values (Pearson) and in their order (Spearman)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kpt.errors import InputError

__all__ = ["pearson_correlation", "ranks", "spearman_correlation"]


def ranks(values: np.ndarray | Sequence[float]) -> np.ndarray:
    """Return the rank of each value from 1 up, float64 [n]; equal values share the mean of their ranks.

    Example:
        >>> ranks([0.5, 0.1, 0.5]).tolist()
        [2.5, 1.0, 2.5]
    """
    _, place, counts = np.unique(np.asarray(values, np.float64), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return ((last - counts + 1 + last) / 2)[place]


def pearson_correlation(first: np.ndarray | Sequence[float], second: np.ndarray | Sequence[float]) -> float:
    r"""Return how linearly two lists depend on each other, from -1 to 1.

    .. math:: r = \frac{\sum_i (x_i - \bar{x})(y_i - \bar{y})}
              {\sqrt{\sum_i (x_i - \bar{x})^2} \sqrt{\sum_i (y_i - \bar{y})^2}}

    It is 0 where one of the lists has the same value throughout, which says nothing about the other.

    Raises:
        InputError: the lists differ in length or have fewer than two values, or a value is not finite.

    Example:
        >>> round(pearson_correlation([1, 2, 3], [2, 4, 7]), 4)
        0.9934
    """
    x, y = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if x.shape != y.shape or x.ndim != 1 or len(x) < 2:
        raise InputError(f"lists of the shapes {list(x.shape)} and {list(y.shape)}; give two of one length, at least 2")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InputError("a value is no finite number; correlate finite numbers")
    x, y = x - x.mean(), y - y.mean()
    length = np.sqrt((x @ x) * (y @ y))
    return float(np.clip(x @ y / length, -1, 1)) if length else 0.0


def spearman_correlation(first: np.ndarray | Sequence[float], second: np.ndarray | Sequence[float]) -> float:
    r"""Return how much two lists agree in their order, from -1 to 1: Pearson's correlation of the ranks.

    Raises:
        InputError: as `pearson_correlation`.

    Example:
        >>> spearman_correlation([1, 2, 3], [2, 40, 700])
        1.0

    Source: Spearman 1904, "The Proof and Measurement of Association between Two Things".
    """
    x, y = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if x.shape != y.shape or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return pearson_correlation(x, y)  # which says what is wrong
    return pearson_correlation(ranks(x), ranks(y))
