"""How much a model that learns tasks one after another forgets of the earlier ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kpt.errors import InputError

__all__ = ["average_forgetting", "average_score", "forgetting"]


def forgetting(scores: Sequence[Sequence[float]] | np.ndarray) -> np.ndarray:
    r"""Return how much is forgotten of each task but the last: from its best score before the last stage to that after.

    .. math:: f_j = \max_{l < k} a_{l,j} - a_{k,j}, \qquad j < k

    It is below 0 where a task gains from what was learned after it.

    Args:
        scores: `[stages, tasks]`: :math:`a_{l,j}` is the score of the task j after the stage l, in which the task l was
            learned; there may be fewer stages than tasks.

    Returns:
        float64 `[stages - 1]`.

    Raises:
        InputError: It is no matrix, has more stages than tasks, or has a value that is not finite.

    Example:
        >>> forgetting([[0.9, 0.5, 0.5], [0.6, 0.8, 0.5], [0.7, 0.5, 0.9]]).round(6).tolist()
        [0.2, 0.3]

    Source: Chaudhry et al. 2018, "Riemannian Walk for Incremental Learning", section 3.
    """
    values = np.asarray(scores, np.float64)
    if values.ndim != 2 or not 1 <= len(values) <= values.shape[1] or not np.isfinite(values).all():
        raise InputError(
            f"the scores are {np.shape(scores)}, not a finite number for each stage and each task; mend them"
        )
    last = len(values) - 1
    if not last:
        return np.zeros(0)
    return np.asarray(values[:last, :last].max(axis=0) - values[last, :last])


def average_forgetting(scores: Sequence[Sequence[float]] | np.ndarray) -> float:
    """Return the mean of `forgetting` over the tasks but the last; 0 after one stage.

    Example:
        >>> round(average_forgetting([[0.9, 0.5, 0.5], [0.6, 0.8, 0.5], [0.7, 0.5, 0.9]]), 6)
        0.25
    """
    found = forgetting(scores)
    return float(found.mean()) if len(found) else 0.0


def average_score(scores: Sequence[Sequence[float]] | np.ndarray) -> float:
    r"""Return the mean score of the tasks that were learned, after the last stage, :math:`\sum_{j \le k} a_{k,j} / k`.

    Example:
        >>> average_score([[0.9, 0.5, 0.5], [0.6, 0.8, 0.5]])
        0.7
    """
    values = np.asarray(scores, np.float64)
    return float(values[-1, : len(values)].mean())
