"""Fine-tuning on tasks one after another: what `kpt finetune continual` does."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

import keras
import numpy as np
from keras import ops

from kpt.data.labelled_batches import LabelledBatches
from kpt.data.replayed import ReplayedExamples, stored_rows
from kpt.errors import InputError
from kpt.evaluation.forgetting import average_forgetting, average_score, forgetting
from kpt.evaluation.task_scores import main_score
from kpt.files import write_json
from kpt.tasks import TaskModel
from kpt.training.consolidation import ConsolidatedModel, Consolidation, consolidate
from kpt.training.continual_report import write_continual_report
from kpt.training.finetune_settings import FinetuneSettings
from kpt.training.finetune_sources import Source
from kpt.training.finite_loss import FiniteLoss
from kpt.training.fisher import diagonal_fisher
from kpt.training.interruption import Interruption, train_and_finish
from kpt.training.joint_tasks import JointTasks, joint_config, joint_tasks, main_scores
from kpt.training.metrics_log import MetricsLog
from kpt.training.on_devices import on_devices
from kpt.training.probe import fit_head
from kpt.training.progress import TrainingProgress
from kpt.training.run_folder import RunFolder
from kpt.training.settings import check_choice
from kpt.training.task_files import TaskFiles
from kpt.training.task_validation import predicted_scores

__all__ = ["METHODS", "ContinualSettings", "finetune_continual"]

METHODS = ("plain", "ewc", "replay")
TITLES = {
    "plain": "Tasks one after another",
    "ewc": "Tasks one after another, with elastic weight consolidation",
    "replay": "Tasks one after another, with replay",
}


@dataclass(frozen=True, kw_only=True)
class ContinualSettings:
    r"""How earlier tasks are kept in mind.

    Args:
        method: `"plain"`: they are not. `"ewc"`: elastic weight consolidation, a penalty on the weights that they
            depend on (`kpt.training.consolidation`). `"replay"`: a share of each batch is stored texts of theirs.
        ewc_strength: :math:`\lambda` of the penalty.
        fisher_texts: texts of a task on which its Fisher information is estimated.
        replay_share: of the stored texts in a batch.
        replay_texts: texts of a task that are stored.

    Raises:
        InputError: a value is out of its range, or the method is unknown.

    Example:
        >>> ContinualSettings(method="ewc").ewc_strength
        1000.0
    """

    method: str = "replay"
    ewc_strength: float = 1000.0
    fisher_texts: int = 200
    replay_share: float = 0.25
    replay_texts: int = 200

    def __post_init__(self) -> None:
        check_choice("method", self.method, METHODS)
        if not (self.ewc_strength > 0 and isfinite(self.ewc_strength)):
            raise InputError(f"ewc_strength is {self.ewc_strength}; give a number above 0")
        for name in ("fisher_texts", "replay_texts"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; give 1 or more")
        if not 0 < self.replay_share < 1:
            raise InputError(f"replay_share is {self.replay_share}; give a number between 0 and 1")


@on_devices
def finetune_continual(
    source: Source,
    tasks: Sequence[TaskFiles],
    out: str | os.PathLike[str],
    settings: FinetuneSettings | None = None,
    continual: ContinualSettings | None = None,
    *,
    overwrite: bool = False,
    progress: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, Any]:
    """Fine-tune one encoder on tasks one after another, and see after each what it knows of all of them.

    Each task has its own head, which is fitted as the task's stage begins where it can be
    (`kpt.training.probe.fit_head`), trained in that stage, and further only where its texts are replayed. A
    stage ends with its last epoch, when the learning rate has fallen to 0: to choose an epoch by the task's own
    validation would be to choose by what is forgotten.

    Further it takes `devices`, see `kpt.training.finetune`.

    Args:
        source: what is tuned, from `trained_source` or `new_source`.
        tasks: two or more, in the order in which they are learned.
        out: the run folder, see `RunFolder`; with `stages.json`, `results.json` and `report.html`. Its checkpoint is
            that after the last stage; it is a `kpt.MultiTask`.
        settings: of each stage; those that a task has for itself stand in `TaskFiles.own`.
        continual: how earlier tasks are kept in mind.
        overwrite: replace a run that is in `out`.
        progress: show how far it is on standard error.
        callbacks: for `fit`, beside those that keep and write.

    Returns:
        The results by name: `matrix` has a row a stage and a column a task, in it the score that counts
        (`main_score`) on the validation texts; `average_forgetting` and `average_score` are those of
        `kpt.evaluation.forgetting`.

    Raises:
        InputError: a file, a label, a setting or `out` does not fit; the message says where.
        FloatingPointError: the loss became infinite or not a number.
    """
    begin = time.perf_counter()
    settings, continual = settings or FinetuneSettings(), continual or ContinualSettings()
    if given := [task.name for task in tasks if task.proportion is not None]:
        raise InputError(f"the task {given[0]!r} has a proportion, which is for tasks that are mixed; leave it out")
    if settings.patience is not None:
        raise InputError("patience is for runs that keep their best epoch; leave it out, each stage runs to its end")
    random.seed(settings.seed)  # Keras draws the seeds of its initializers and dropouts from it, on every backend
    joint = joint_tasks(source, tasks, settings)
    config = joint_config(source, joint, settings, TITLES[continual.method]) | {"continual": asdict(continual)}
    run = RunFolder.create(out, source.tokenizer, config, overwrite)
    stages = Stages(run, joint, settings, continual)
    shown = TrainingProgress(sum(stages.steps)) if progress else None
    log = MetricsLog(run.metrics, every=max(1, min(20, sum(stages.steps) // 150)), tensorboard=run.tensorboard)
    own = [FiniteLoss(), log, *([shown] if shown else []), *callbacks]

    def train(interruption: Interruption) -> None:
        for name in joint.model.tasks:
            try:
                stages.train(name, [*own, interruption])
            finally:
                log.close()
                if shown:
                    shown.close()

    results = train_and_finish(
        train,
        lambda: f"{run.path} has the stages so far, {', '.join(stages.done)}" if stages.done else None,
        lambda: finish(run, joint, continual, stages.records),
    )
    return results | {"seconds": round(time.perf_counter() - begin, 1)}


class Stages:
    """Trains the tasks one after another, and keeps what later stages need of the earlier ones.

    Args:
        run: gets a checkpoint after each stage.
        joint: the tasks.
        settings: of each stage.
        continual: how earlier tasks are kept in mind.

    Attributes:
        done: names of the tasks that were learned.
        records: for each stage its task, step, seconds and the scores of all tasks.
        steps: of each stage.
    """

    def __init__(
        self, run: RunFolder, joint: JointTasks, settings: FinetuneSettings, continual: ContinualSettings
    ) -> None:
        self.run, self.joint, self.settings, self.continual = run, joint, settings, continual
        self.done: list[str] = []
        self.records: list[dict[str, Any]] = []
        self.stored: dict[str, np.ndarray] = {}
        self.known: Consolidation | None = None
        keep = {} if continual.method != "replay" else {name: self._stored(name) for name in joint.model.tasks}
        names = list(joint.model.tasks)
        self.steps = [
            self._examples(name, {each: keep[each] for each in names[:number] if each in keep}).steps(
                settings.batch_size
            )
            * settings.epochs
            for number, name in enumerate(names)
        ]

    def train(self, name: str, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        """Learn the next task, score all of them, and note what is to be kept of it."""
        begin = time.perf_counter()
        model, settings, method = self.joint.model, self.settings, self.continual.method
        if self.joint.settings[name].probe:
            fit_head(model.tasks[name], self.joint.examples[name])
        for each, task in model.tasks.items():  # a head that has no text in this stage would only decay
            self._train_head(task, each == name or each in self.stored)
        trained: Any = model
        if self.known is not None:
            trained = ConsolidatedModel(model, self.known, self.continual.ewc_strength)
        steps = self.steps[len(self.done)]
        trained.compile(optimizer=settings.optimizer(steps, model.backbone.width))
        batches = LabelledBatches(self._examples(name, self.stored), batch_size=settings.batch_size)
        trained.fit(batches, epochs=settings.epochs, callbacks=list(callbacks), verbose=0)
        for task in model.tasks.values():
            self._train_head(task, True)
        scores = {each: predicted_scores(task, self.joint.checks[each])[1] for each, task in model.tasks.items()}
        self.done.append(name)
        step = sum(self.steps[: len(self.done)])
        self.records.append(
            {
                "task": name,
                "step": step,
                "seconds": round(time.perf_counter() - begin, 1),
                "scores": {each: round(value, 6) for each, value in main_scores(model, scores).items()},
                "tasks": {each: {key: round(value, 6) for key, value in some.items()} for each, some in scores.items()},
            }
        )
        self.run.save(model, step, keep=1)
        if method == "replay":
            self.stored[name] = self._stored(name)
        elif method == "ewc" and len(self.done) < len(model.tasks):
            rows = stored_rows(len(self.joint.examples[name].texts), self.continual.fisher_texts, settings.seed)
            fisher = diagonal_fisher(model, self.joint.examples, name, rows, settings.seed)
            weights = [ops.convert_to_numpy(weight.value) for weight in model.backbone.trainable_variables]
            self.known = consolidate(self.known, fisher, weights)

    def _train_head(self, task: TaskModel, trainable: bool) -> None:
        for layer in (task.head, *([task.document_vectors] if task.document_width else [])):
            layer.trainable = trainable

    def _stored(self, name: str) -> np.ndarray:
        return stored_rows(len(self.joint.examples[name].texts), self.continual.replay_texts, self.settings.seed)

    def _examples(self, name: str, stored: dict[str, np.ndarray]) -> ReplayedExamples:
        share, seed = self.continual.replay_share, self.settings.seed
        return ReplayedExamples(self.joint.examples, name, stored, share=share, seed=seed)


def finish(
    run: RunFolder, joint: JointTasks, continual: ContinualSettings, records: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Write the results and the report, also of a run that was interrupted after a stage; returns the results."""
    if not records:
        return {}
    names = list(joint.model.tasks)
    matrix = [[record["scores"][name] for name in names] for record in records]
    results = {
        "parameters": joint.model.count_params(),
        "method": continual.method,
        "stages": len(records),
        "average_score": round(average_score(matrix), 6),
        "average_forgetting": round(average_forgetting(matrix), 6),
        "forgetting": {name: round(float(value), 6) for name, value in zip(names, forgetting(matrix), strict=False)},
        "matrix": matrix,
        "tasks": {
            name: {
                "texts": len(joint.examples[name].texts),
                "validation_texts": len(joint.held_out[name]),
                "main_score": main_score(task),
                **records[-1]["tasks"][name],
            }
            for name, task in joint.model.tasks.items()
        },
    }
    write_json(run.path / "stages.json", list(records))
    write_json(run.path / "results.json", results)
    return {"run": str(run.path), "report": str(write_continual_report(run.path)), **results}
