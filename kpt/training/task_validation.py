"""The scores of each epoch on the validation texts, and the model of the best epoch."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from kpt.data.labelled_batches import LabelledBatches
from kpt.evaluation.classification import confusion_matrix
from kpt.evaluation.task_scores import label_kind, main_score, task_scores, text_losses
from kpt.tasks import TaskModel
from kpt.training.run_folder import RunFolder

__all__ = ["EpochScores", "TaskValidation", "predicted_scores"]


def predicted_scores(model: TaskModel, batches: LabelledBatches) -> tuple[np.ndarray, dict[str, float]]:
    """Return what a model predicts of texts, in their order, and its loss and scores (`task_scores`).

    Args:
        model: the model.
        batches: of the texts, not shuffled.
    """
    outputs = model.predict_in_order(batches)
    truth = batches.maker.truth
    loss = float(text_losses(model, truth, outputs).mean())
    return outputs, {"loss": loss, **task_scores(model, truth, outputs)}


class EpochScores(keras.callbacks.Callback):
    """Counts the steps and the seconds of epochs, for callbacks that score each and keep the model of the best.

    Args:
        run: receives the model of the best epoch as its only checkpoint.

    Attributes:
        epochs: a record for each epoch.
        best: the record of the best epoch, or None.
        seconds: that each epoch took, without its scoring.
    """

    def __init__(self, run: RunFolder) -> None:
        super().__init__()
        self.run = run
        self.epochs: list[dict[str, Any]] = []
        self.best: dict[str, Any] | None = None
        self.seconds: list[float] = []
        self._step = 0

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Start the clock of the throughput."""
        self._begin = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Count the steps."""
        self._step += 1


class TaskValidation(EpochScores):
    """Predicts the validation texts after each epoch, adds their loss and scores to the logs, keeps the best model.

    It comes first among the callbacks: those after it, such as `MetricsLog` and Keras's `EarlyStopping`, find
    `val_loss`, `val_macro_f1`, `val_accuracy` and the others of the model's kind in the logs. Best is the highest
    macro-F1 (Pearson's correlation, of numbers), and of equal ones that of the lowest loss.

    Args:
        run: receives the model of the best epoch as its only checkpoint.
        batches: of the validation texts, not shuffled.

    Attributes:
        epochs: for each epoch its number, step, scores and, of labels, the confusion matrix; the first one is number 0
            if `score` was called before `fit`.
        best: the record of the best epoch, or None.
        outputs: what the model of the best epoch predicted, in the order of the texts.
    """

    def __init__(self, run: RunFolder, batches: LabelledBatches) -> None:
        super().__init__(run)
        self.batches = batches
        self.outputs: np.ndarray | None = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Predict, score, and keep the model if it is the best."""
        self.seconds.append(time.perf_counter() - self._begin)
        self.score(epoch + 1, logs)

    def score(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Predict, score, and keep the model if it is the best.

        Args:
            epoch: epochs that it was trained; 0 for a model whose head was fitted alone.
            logs: what the scores are added to.
        """
        outputs, scores = predicted_scores(self.model, self.batches)
        truth = self.batches.maker.truth
        if logs is not None:
            logs.update({f"val_{name}": value for name, value in scores.items()})
        record: dict[str, Any] = {"epoch": epoch, "step": self._step}
        record |= {name: round(value, 6) for name, value in scores.items()}
        if label_kind(self.model) == "single":
            record["confusion"] = confusion_matrix(truth, outputs.argmax(axis=1), outputs.shape[1]).tolist()
        self.epochs.append(record)
        if self.best is None or self._rank(record) > self._rank(self.best):
            self.best, self.outputs = record, outputs
            self.run.save(self.model, self._step, keep=1)

    def _rank(self, record: Mapping[str, Any]) -> tuple[float, float]:
        return record[main_score(self.model)], -record["loss"]
