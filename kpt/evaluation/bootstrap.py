"""How far a score would move on other texts of the same kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from kpt.errors import InputError

__all__ = ["bootstrap_intervals"]


def bootstrap_intervals(
    scores: Callable[[np.ndarray], Mapping[str, float]],
    count: int,
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, list[float]]:
    """Return an interval of each score by the percentile bootstrap: texts drawn anew with replacement, many times.

    Args:
        scores: from numbers of texts, in which one may be several times, to the scores of these by name.
        count: number of texts.
        resamples: how often they are drawn.
        level: share of the draws that lies within an interval.
        seed: of the draws.

    Returns:
        Lower and upper end by name; of a score that some draws lack, over the others.

    Raises:
        InputError: there are no texts or no draws, or the level is not between 0 and 1.

    Example:
        >>> right = np.array([1, 1, 1, 0] * 25)
        >>> bootstrap_intervals(lambda rows: {"accuracy": right[rows].mean()}, 100)
        {'accuracy': [0.66, 0.83]}

    Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13.
    """
    if count < 1 or resamples < 1 or not 0 < level < 1:
        raise InputError(f"{count} texts, {resamples} draws and a level of {level}; give at least 1, 1 and 0 to 1")
    generator = np.random.default_rng(seed)
    draws = [scores(generator.integers(0, count, count)) for _ in range(resamples)]
    ends = [(1 - level) / 2, (1 + level) / 2]
    return {
        name: [round(float(end), 4) for end in np.quantile([draw[name] for draw in draws if name in draw], ends)]
        for name in dict.fromkeys(name for draw in draws for name in draw)
    }
