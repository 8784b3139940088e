"""A run whose loss is no number any more has failed; this ends it there, and tells of a loss that leaps."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any

import keras

from kpt.training.interval_means import IntervalMeans
from kpt.training.metrics_log import MetricsLog, learning_rates

__all__ = ["FiniteLoss", "Spikes"]


class FiniteLoss(keras.callbacks.Callback):
    """Ends `fit` at the first loss that is infinite or not a number, of training or of the held-out documents.

    A loss that leaps (see `Spikes`) is told of on standard error.

    Args:
        start_step: steps that were done before this call of `fit`.
        log: the log of the run, which comes before this among the callbacks, of a run whose steps `kpt pretrain
            --replay-step` replays; without it no leaps are told of.

    Raises:
        FloatingPointError: from `fit`, with the step, the learning rate there and what to change.
    """

    def __init__(self, start_step: int = 0, log: MetricsLog | None = None) -> None:
        super().__init__()
        self.step, self.log = start_step, log
        self._means, self._spikes = IntervalMeans(), Spikes()

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Ask for the learning rates."""
        self._rate = learning_rates(self.model)
        self._epoch_start = self.step

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Keras counts the batches anew."""
        self._epoch_start = self.step
        self._means.reset()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Look at the loss, a mean that one step spoils."""
        self.step = self._epoch_start + batch + 1
        self._check("loss", logs)
        if self.log is None or not logs or "loss" not in logs:
            return
        loss = self._means.update(self.log.in_means, {"loss": float(logs["loss"])})["loss"]
        if self._spikes.leaps(loss):
            print(
                f"the loss leapt to {loss:.4g} in step {self.step:,}, from about {self._spikes.mean:.4g}; the same "
                f"command and --replay-step {self.step} shows its batch",
                file=sys.stderr,
                flush=True,
            )

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
        replay = "" if self.log is None else f"the same command and --replay-step {self.step} shows its batch; "
        raise FloatingPointError(
            f"{what} is {loss} after step {self.step:,}{at}; {replay}start anew with a smaller learning rate or a "
            "longer warm-up, or with precision float32 if it was a mixed one"
        )


class Spikes:
    r"""Finds leaps in a course of losses: more than six deviations, and a tenth, above what came before.

    .. math:: \ell_t > m + \max(6 s, m / 10)

    where the mean :math:`m` and the deviation :math:`s` are those of the steps before, each weighted 0.98 times as much
    as the one after it. The first twenty are not judged.

    Example:
        >>> spikes = Spikes()
        >>> [step for step in range(100) if spikes.leaps(9.0 if step == 60 else 5.0 + step % 2)]
        [60]
    """

    def __init__(self) -> None:
        self.mean, self._square, self._seen = 0.0, 0.0, 0

    def leaps(self, loss: float) -> bool:
        """Return whether a loss is a leap, and count it among those before the next; a leap counts as its limit."""
        deviation = math.sqrt(max(self._square - self.mean**2, 0.0))
        limit = self.mean + max(6 * deviation, 0.1 * self.mean)
        leap = self._seen >= 20 and loss > limit
        value = limit if leap else loss
        self._seen += 1
        share = max(1 / self._seen, 0.02)
        self.mean += share * (value - self.mean)
        self._square += share * (value**2 - self._square)
        return leap
