"""A run whose loss is no number any more has failed; this ends it there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras

from kpt.training.metrics_log import learning_rates

__all__ = ["FiniteLoss"]


class FiniteLoss(keras.callbacks.Callback):
    """Ends `fit` at the first loss that is infinite or not a number, of training or of the held-out documents.

    Args:
        start_step: steps that were done before this call of `fit`.

    Raises:
        FloatingPointError: from `fit`, with the step, the learning rate there and what to change.
    """

    def __init__(self, start_step: int = 0) -> None:
        super().__init__()
        self.step = start_step

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Ask for the learning rates."""
        self._rate = learning_rates(self.model)
        self._epoch_start = self.step

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Keras counts the batches anew."""
        self._epoch_start = self.step

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Look at the loss, a mean that one step spoils."""
        self.step = self._epoch_start + batch + 1
        self._check("loss", logs)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Look at the loss of the held-out documents."""
        self._check("val_loss", logs)

    def _check(self, name: str, logs: Mapping[str, Any] | None) -> None:
        loss = float((logs or {}).get(name, 0.0))
        if math.isfinite(loss):
            return
        rate = self._rate(self.step - 1)
        at = "" if rate is None else f", at a learning rate of {rate:.3g}"
        what = "the loss" if name == "loss" else "the loss of the held-out documents"
        raise FloatingPointError(
            f"{what} is {loss} after step {self.step:,}{at}; start anew with a smaller learning rate or a longer "
            "warm-up, or with precision float32 if it was a mixed one"
        )
