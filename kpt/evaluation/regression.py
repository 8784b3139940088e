"""How well numbers are told."""

from __future__ import annotations

import numpy as np

from kpt.errors import InputError
from kpt.evaluation.ranks import pearson_correlation, spearman_correlation

__all__ = ["regression_scores"]


def regression_scores(truth: np.ndarray, guess: np.ndarray) -> dict[str, float]:
    """Return the correlations of values and of orders, and the mean squared and absolute errors.

    Args:
        truth: what is true, [texts].
        guess: what was told, [texts].

    Raises:
        InputError: the lists differ in length or have fewer than two values, or a value is not finite.

    Example:
        >>> regression_scores(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0]))["mean_absolute_error"].__round__(3)
        0.333
    """
    x, y = np.asarray(truth, np.float64), np.asarray(guess, np.float64)
    if x.shape != y.shape:
        raise InputError(f"{len(y)} guesses for {len(x)} numbers; give one to each")
    return {
        "pearson": pearson_correlation(x, y),
        "spearman": spearman_correlation(x, y),
        "mean_squared_error": float(np.mean((x - y) ** 2)),
        "mean_absolute_error": float(np.mean(np.abs(x - y))),
    }
