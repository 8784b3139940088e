"""Fine-tuning on several tasks at once: what `kpt finetune multi-task` does."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Sequence
from statistics import fmean
from typing import Any

import keras
import numpy as np

from kpt.data.labelled_batches import LabelledBatches
from kpt.data.task_mixture import TaskMixture
from kpt.errors import InputError
from kpt.evaluation.task_scores import main_score
from kpt.files import write_json
from kpt.training.finetune_errors import worst_errors
from kpt.training.finetune_settings import FinetuneSettings
from kpt.training.finetune_sources import Source
from kpt.training.finite_loss import FiniteLoss
from kpt.training.interruption import Interruption, train_and_finish
from kpt.training.joint_tasks import JointTasks, joint_config, joint_tasks, main_scores
from kpt.training.metrics_log import MetricsLog
from kpt.training.multi_task_report import write_multi_task_report
from kpt.training.on_devices import on_devices
from kpt.training.probe import fit_head
from kpt.training.progress import TrainingProgress
from kpt.training.run_folder import RunFolder
from kpt.training.task_files import TaskFiles
from kpt.training.task_validation import EpochScores, predicted_scores

__all__ = ["TasksValidation", "finetune_multi_task"]

TITLE = "Several tasks"


class TasksValidation(EpochScores):
    """Predicts the validation texts of all tasks after each epoch, and keeps the best model.

    It is to several tasks what `TaskValidation` is to one. Best is the highest mean over the tasks of the score that
    counts (`main_score`), which the logs have as `val_score`.

    Args:
        run: receives the model of the best epoch as its only checkpoint.
        joint: the tasks.

    Attributes:
        epochs: for each epoch its number, step, the mean `score`, and the scores of each of the `tasks`; the first one
            is number 0 if heads were fitted before.
        best: the record of the best epoch, or None.
        outputs: what the model of the best epoch predicted for each task, in the order of the texts.
    """

    def __init__(self, run: RunFolder, joint: JointTasks) -> None:
        super().__init__(run)
        self.joint = joint
        self.outputs: dict[str, np.ndarray] = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Predict, score, and keep the model if it is the best."""
        self.seconds.append(time.perf_counter() - self._begin)
        self.score(epoch + 1, logs)

    def score(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Predict, score, and keep the model if it is the best.

        Args:
            epoch: epochs that it was trained; 0 for a model whose heads were fitted alone.
            logs: what the scores are added to.
        """
        found = {name: predicted_scores(task, self.joint.checks[name]) for name, task in self.joint.model.tasks.items()}
        scores = {name: some for name, (_, some) in found.items()}
        mean = fmean(main_scores(self.joint.model, scores).values())
        if logs is not None:
            logs["val_score"] = mean
            logs.update({f"val_{name}_{key}": value for name, some in scores.items() for key, value in some.items()})
        rounded = {name: {key: round(value, 6) for key, value in some.items()} for name, some in scores.items()}
        record = {"epoch": epoch, "step": self._step, "score": round(mean, 6), "tasks": rounded}
        self.epochs.append(record)
        if self.best is None or record["score"] > self.best["score"]:
            self.best, self.outputs = record, {name: outputs for name, (outputs, _) in found.items()}
            self.run.save(self.joint.model, self._step, keep=1)


@on_devices
def finetune_multi_task(
    source: Source,
    tasks: Sequence[TaskFiles],
    out: str | os.PathLike[str],
    settings: FinetuneSettings | None = None,
    *,
    temperature: float = 1.0,
    overwrite: bool = False,
    progress: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, Any]:
    """Fine-tune one encoder on several tasks at once, keep the best epoch, write the report.

    Each batch has one task, see `kpt.data.TaskMixture`. Each head that can be is fitted before, see
    `kpt.training.probe.fit_head`. Further it takes `devices`, see `kpt.training.finetune`.

    Args:
        source: what is tuned, from `trained_source` or `new_source`.
        tasks: two or more. Where one has a `proportion`, all need one.
        out: the run folder, see `RunFolder`; with `epochs.json`, `errors.json`, `results.json` and `report.html`. Its
            checkpoint is that of the best epoch: the one with the highest mean of the tasks' scores.
        settings: of the run; those that a task has for itself stand in `TaskFiles.own`.
        temperature: of the mixture by sizes, see `kpt.data.task_mixture.mixing_proportions`.
        overwrite: replace a run that is in `out`.
        progress: show how far it is on standard error.
        callbacks: for `fit`, beside those that score, keep and write.

    Returns:
        The results by name; under `tasks` the scores of each task in the best epoch.

    Raises:
        InputError: a file, a label, a setting or `out` does not fit; the message says where.
        FloatingPointError: the loss became infinite or not a number.
    """
    begin = time.perf_counter()
    settings = settings or FinetuneSettings()
    given = {task.name: task.proportion for task in tasks if task.proportion is not None}
    if given and len(given) < len(tasks):
        raise InputError(f"only {', '.join(given)} of the tasks have a proportion; give one to each, or to none")
    random.seed(settings.seed)  # Keras draws the seeds of its initializers and dropouts from it, on every backend
    joint = joint_tasks(source, tasks, settings)
    mixture = TaskMixture(joint.examples, temperature=temperature, proportions=given or None, seed=settings.seed)
    config = joint_config(source, joint, settings, TITLE)
    config["mixture"] = {"temperature": temperature, "proportions": mixture.proportions}
    model, batch_size = joint.model, settings.batch_size
    fitted = [fit_head(task, joint.examples[name]) for name, task in model.tasks.items() if joint.settings[name].probe]
    run = RunFolder.create(out, source.tokenizer, config, overwrite)

    steps = mixture.steps(batch_size) * settings.epochs
    model.compile(optimizer=settings.optimizer(steps, model.backbone.width))
    scored = TasksValidation(run, joint)
    log = MetricsLog(run.metrics, every=max(1, min(20, steps // 150)), tensorboard=run.tensorboard)
    own: list[keras.callbacks.Callback] = [scored, FiniteLoss(), log]
    if settings.patience is not None:
        own.append(keras.callbacks.EarlyStopping(monitor="val_score", mode="max", patience=settings.patience))
    shown = TrainingProgress(steps) if progress else None

    def train_model(interruption: Interruption) -> None:
        if any(fitted):  # they may be better than all that follows
            scored.set_model(model)
            scored.score(0)
        callbacks_ = [*own, *([shown] if shown else []), *callbacks, interruption]
        try:
            model.fit(
                LabelledBatches(mixture, batch_size=batch_size), epochs=settings.epochs, callbacks=callbacks_, verbose=0
            )
        finally:
            log.close()
            if shown:
                shown.close()

    results = train_and_finish(
        train_model,
        lambda: f"{run.path} has the best epoch so far, {scored.best['epoch']}" if scored.best else None,
        lambda: finish(run, joint, scored, mixture.steps(batch_size) * batch_size),
    )
    return results | {"seconds": round(time.perf_counter() - begin, 1)}


def finish(run: RunFolder, joint: JointTasks, scored: TasksValidation, texts: int) -> dict[str, Any]:
    """Write the results and the report, also of a run that was interrupted after an epoch; returns the results."""
    if scored.best is None:
        return {}
    speeds = sorted(texts / seconds for seconds in scored.seconds[1:] or scored.seconds)
    results = {
        "parameters": joint.model.count_params(),
        "best_epoch": scored.best["epoch"],
        "epochs": sum(record["epoch"] > 0 for record in scored.epochs),
        "score": scored.best["score"],
        "tasks": {
            name: {
                "texts": len(joint.examples[name].texts),
                "texts_cut": joint.examples[name].texts.cut,
                "validation_texts": len(joint.held_out[name]),
                "main_score": main_score(task),
                **scored.best["tasks"][name],
            }
            for name, task in joint.model.tasks.items()
        },
        **({"texts_per_second": round(speeds[len(speeds) // 2], 1)} if speeds else {}),
    }
    errors = {
        name: worst_errors(
            task, joint.held_out[name], np.asarray(joint.checks[name].maker.labels), scored.outputs[name]
        )
        for name, task in joint.model.tasks.items()
    }
    write_json(run.path / "epochs.json", scored.epochs)
    write_json(run.path / "errors.json", errors)
    write_json(run.path / "results.json", results)
    return {"run": str(run.path), "report": str(write_multi_task_report(run.path)), **results}
