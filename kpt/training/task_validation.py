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
from kpt.files import write_json
from kpt.tasks import TaskModel
from kpt.training.finetune_progress import EPOCHS, at_end
from kpt.training.report import read_json
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
        self._begin = time.perf_counter()

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
        run: receives the model of the best epoch as its only checkpoint, and `epochs.json`.
        batches: of the validation texts, not shuffled.
        most: epochs of the whole run; None if that is not known.
        patience: epochs without a better score after which the training ends; None for never.

    Attributes:
        epochs: for each epoch its number, step, scores and, of labels, the confusion matrix; the first one is number 0
            if `score` was called before `fit`.
        best: the record of the best epoch, or None.
        outputs: what the model of the best epoch predicted, in the order of the texts.
    """

    def __init__(
        self, run: RunFolder, batches: LabelledBatches, most: int | None = None, patience: int | None = None
    ) -> None:
        super().__init__(run)
        self.batches, self.most, self.patience = batches, most, patience
        self.outputs: np.ndarray | None = None

    def restore(self, model: TaskModel, step: int) -> None:
        """Take up the epochs of a run up to a step.

        The model of an epoch after it may have taken the place of the best one up to it. Then the first one that is
        scored is the best so far: that later epoch comes again.

        Args:
            model: the model that goes on.
            step: of its checkpoint.
        """
        self._step = step
        self.epochs = [record for record in read_json(self.run.path / EPOCHS, []) if record["step"] <= step]
        name = main_score(model)
        best = max(self.epochs, key=lambda record: (record[name], -record["loss"]), default=None)
        if best is None or best["step"] not in self.run.steps:
            return
        kept = self.run.load(best["step"], compile=False)
        kept.tokenizer = model.tokenizer
        self.best, self.outputs = best, predicted_scores(kept, self.batches)[0]

    def ends(self, model: TaskModel) -> bool:
        """Return whether the training is over after the epochs that were scored."""
        return self.most is not None and at_end(self.epochs, main_score(model), self.most, self.patience)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Predict, score, and keep the model if it is the best."""
        self.seconds.append(time.perf_counter() - self._begin)
        self.score(epoch + 1, logs)
        if self.ends(self.model):
            self.model.stop_training = True

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
        self.epochs = [*(before for before in self.epochs if before["epoch"] < epoch), record]
        if self.best is None or self._rank(record) > self._rank(self.best):
            self.best, self.outputs = record, outputs
            self.run.save(self.model, self._step, keep=1)
        write_json(self.run.path / EPOCHS, self.epochs)

    def _rank(self, record: Mapping[str, Any]) -> tuple[float, float]:
        return record[main_score(self.model)], -record["loss"]
