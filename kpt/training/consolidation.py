"""Elastic weight consolidation: weights that earlier tasks depend on are held where they were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from kpt.distribution import StrategyModel, replica_count
from kpt.errors import InputError
from kpt.tasks import MultiTask

__all__ = ["ConsolidatedModel", "Consolidation", "consolidate"]


class Consolidation(NamedTuple):
    r"""What is known of the tasks that were learned: the penalty of each weight for leaving where it was.

    The penalties of several tasks are quadratic in the same weights, and so is their sum:

    .. math:: \sum_k F_k (\theta - \theta_k)^2 = F (\theta - m)^2 + c, \quad F = \sum_k F_k, \quad m = \sum_k F_k
        \theta_k / F, \quad c = \sum_k F_k \theta_k^2 - F m^2

    so that two arrays a weight are kept however many tasks there are.

    Attributes:
        importance: F of each weight, float64.
        anchors: m of each weight, float64.
        constant: c, over all weights.
    """

    importance: list[np.ndarray]
    anchors: list[np.ndarray]
    constant: float

    def penalty(self, weights: Sequence[np.ndarray], strength: float) -> float:
        r"""Return :math:`\frac\lambda2 \sum_k \sum_i F_{k,i} (\theta_i - \theta_{k,i})^2` in float64."""
        parts = zip(self.importance, weights, self.anchors, strict=True)
        total = sum(float((f * (np.asarray(w, np.float64) - m) ** 2).sum()) for f, w, m in parts)
        return strength / 2 * (total + self.constant)


def consolidate(
    before: Consolidation | None, fisher: Sequence[np.ndarray], weights: Sequence[np.ndarray]
) -> Consolidation:
    """Add a task that was learned to those before it.

    Args:
        before: the tasks before it, or None.
        fisher: the task's Fisher information, see `kpt.training.fisher.diagonal_fisher`.
        weights: the weights when it was learned.

    Example:
        >>> first = consolidate(None, [np.array([1.0])], [np.array([0.0])])
        >>> both = consolidate(first, [np.array([3.0])], [np.array([2.0])])
        >>> both.importance[0].tolist(), both.anchors[0].tolist(), both.penalty([np.array([1.0])], strength=2.0)
        ([4.0], [1.5], 4.0)
    """
    new = [np.asarray(each, np.float64) for each in fisher]
    here = [np.asarray(each, np.float64) for each in weights]
    if before is None:
        return Consolidation(new, here, 0.0)
    importance = [old + more for old, more in zip(before.importance, new, strict=True)]
    anchors, constant = [], before.constant
    for old, more, total, m, w in zip(before.importance, new, importance, before.anchors, here, strict=True):
        share = np.divide(more, total, out=np.zeros_like(total), where=total > 0)
        anchors.append(m + share * (w - m))
        constant += float((old * share * (w - m) ** 2).sum())
    return Consolidation(importance, anchors, constant)


class ConsolidatedModel(StrategyModel, keras.Model):
    r"""A model of tasks that is trained with a penalty on what earlier tasks depend on.

    .. math:: L + \frac\lambda2 \sum_k \sum_i F_{k,i} (\theta_i - \theta_{k,i})^2

    It trains the weights of the model that it is given; only it knows the penalty, which is not saved with them. Of the
    logs, `loss` is the whole sum and `penalty` its second part.

    Args:
        model: the tasks; the penalty is on the trainable weights of its backbone.
        consolidation: the tasks that were learned.
        strength: :math:`\lambda`.

    Raises:
        InputError: the strength is not a number of 0 or more.

    Source: Kirkpatrick et al. 2017, "Overcoming catastrophic forgetting in neural networks", equation 3.
    """

    def __init__(self, model: MultiTask, consolidation: Consolidation, strength: float) -> None:
        super().__init__()
        if not 0 <= strength < float("inf"):
            raise InputError(f"the strength of the penalty is {strength}; give a number of 0 or more")
        self.model, self.strength, self.constant = model, strength, consolidation.constant
        self.held = list(model.backbone.trainable_variables)
        self.importance = [self._fixed(values) for values in consolidation.importance]
        self.anchors = [self._fixed(values) for values in consolidation.anchors]
        self.penalty_mean = keras.metrics.Mean(name="penalty")
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the outputs of the tasks."""
        return self.model(inputs, training=training)

    def penalty(self) -> Any:
        """Return the penalty at the present weights, float32."""
        total = ops.convert_to_tensor(self.constant, "float32")
        for weight, importance, anchor in zip(self.held, self.importance, self.anchors, strict=True):
            total += ops.sum(importance * ops.square(ops.cast(weight, "float32") - anchor))
        return self.strength / 2 * total

    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
        """Return the loss of the tasks and the penalty; on several replicas, this one's share."""
        penalty = self.penalty()
        # Here and not in `compute_metrics`, before which the step has moved the weights.
        self.penalty_mean.update_state(penalty)
        return self.model.compute_loss(*args, **kwargs) + penalty / replica_count()

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Update what the tasks log, and return it with the penalty."""
        self.model.update_metrics(x, y, y_pred, sample_weight)
        return self.get_metrics_result()

    @property
    def metrics(self) -> list[Any]:
        """The loss, the penalty, and the metrics of the tasks, which Keras leaves out in a model of a model."""
        return [*super().metrics, *self.model.own_metrics]

    @property
    def uneven_metrics(self) -> frozenset[str]:
        """The names of metrics in which not every batch counts alike, see `kpt.MultiTask`."""
        return self.model.uneven_metrics

    def _fixed(self, values: np.ndarray) -> Any:
        weight = self.add_weight(shape=values.shape, initializer="zeros", trainable=False, dtype="float32")
        weight.assign(values.astype("float32"))
        return weight
