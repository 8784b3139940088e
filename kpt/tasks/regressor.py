"""A number for a text."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from kpt.errors import InputError
from kpt.tasks.task_model import TaskModel, as_labels
from kpt.tasks.windows import BackboneOutputs

__all__ = ["Regressor"]


@keras.saving.register_keras_serializable("kpt")
class Regressor(TaskModel):
    r"""A model that gives a number for a text or a pair of texts; see `TaskModel` for what it takes.

    .. math:: y = \mu + \sigma (w^\top v + b)

    with v the vector of the text. It is trained on the mean squared error.

    Args:
        backbone: The model below, such as `kpt.Encoder`.
        mean: :math:`\mu`, the mean of what is to be told, so that this need not be learned.
        deviation: :math:`\sigma`, its standard deviation.
        **options: `pooling`, `dropout`, `length`, `tokenizer` and others of `TaskModel`.

    Returns:
        float32 `[batch]`.

    Raises:
        InputError: If the mean is not finite or the deviation is not above 0, or as `TaskModel`.

    Example:
        >>> from kpt import Encoder
        >>> regressor = Regressor(Encoder(40, width=8, depth=1, heads=2), mean=2.5, deviation=1.5)
        >>> ids = np.array([[2, 7, 3]])
        >>> regressor({"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": ids > 0}).shape[0]
        1
    """

    def __init__(self, backbone: keras.Model, mean: float = 0.0, deviation: float = 1.0, **options: Any) -> None:
        if not (math.isfinite(mean) and 0 < deviation < math.inf):
            raise InputError(f"mean is {mean} and deviation {deviation}; give finite numbers, the deviation above 0")
        super().__init__(backbone, 1, **options)
        self.mean, self.deviation = float(mean), float(deviation)

    def head_outputs(self, read: BackboneOutputs, training: bool | None = None) -> Any:
        """Return the numbers, see `TaskModel.head_outputs`."""
        return self.mean + self.deviation * ops.cast(super().head_outputs(read, training)[:, 0], "float32")

    def targets(self, labels: Any) -> np.ndarray:
        """Return numbers as float32 [texts].

        Raises:
            InputError: If one is no finite number.
        """
        values = as_labels(labels)
        for number, value in enumerate(values):
            if isinstance(value, str | bool) or not math.isfinite(value):
                raise InputError(f"text {number} has {value!r}, no finite number; mend it")
        return np.asarray(values, "float32")

    def tell(self, x: Any, **options: Any) -> list[dict[str, Any]]:
        """Return the `number` of each text.

        Args:
            x: Strings, or pairs of them.
            **options: Of `predict`.
        """
        return [{"number": round(float(number), 6)} for number in self.predict(x, **{"verbose": 0, **options})]

    def default_loss(self) -> keras.losses.Loss:
        """Return the mean squared error."""
        return keras.losses.MeanSquaredError()

    def default_metrics(self) -> list[Any]:
        """Return the mean absolute error."""
        return [keras.metrics.MeanAbsoluteError(name="mean_absolute_error")]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mean": self.mean, "deviation": self.deviation}
