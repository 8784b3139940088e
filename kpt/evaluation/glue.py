"""The score of one of GLUE's tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kpt.data.glue import glue_task
from kpt.errors import InputError
from kpt.evaluation.classification import f1_scores

__all__ = ["glue_scores"]


def glue_scores(name: str, results: Mapping[str, Any]) -> dict[str, float]:
    """Return what GLUE counts of an evaluation, and as `score` the mean of these in per cent, as its table has it.

    F1 is that of the positive class (equivalent, duplicate), not the mean over the classes.

    Args:
        name: the task's, see `kpt.data.glue.GLUE`.
        results: of `kpt.evaluation.evaluate_task`, or the record of an epoch with its `labels`.

    Raises:
        InputError: there is no such task, or the evaluation has not its scores.

    Example:
        >>> labels = ["equivalent", "not_equivalent"]
        >>> glue_scores("MRPC", {"accuracy": 0.75, "labels": labels, "confusion": [[2, 1], [0, 1]]})
        {'accuracy': 0.75, 'f1': 0.8, 'score': 77.5}

    Source: Wang et al. 2018, "GLUE: A Multi-Task Benchmark and Analysis Platform", section 3.
    """
    task = glue_task(name)
    found: dict[str, float] = {}
    for metric in task.metrics:
        if metric == "f1":
            counts = np.asarray(results["confusion"])
            each = f1_scores(np.diag(counts), counts.sum(axis=1), counts.sum(axis=0))
            found[metric] = round(float(np.nan_to_num(each[list(results["labels"]).index(task.names["1"])])), 6)
        elif metric in results:
            found[metric] = results[metric]
        else:
            raise InputError(
                f"{name} is scored by {metric}, which the evaluation has not; evaluate a model of this task"
            )
    return {**found, "score": round(100 * sum(found.values()) / len(found), 2)}
