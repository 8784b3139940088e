"""What runs on several tasks have in common: their data, their model, and how well it does each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import keras
import numpy as np

from kpt.data.conll import TaggedWords
from kpt.data.labelled import LabelledTexts
from kpt.data.labelled_batches import LabelledBatches, LabelledExamples
from kpt.errors import InputError
from kpt.evaluation.task_scores import labelled_examples, main_score
from kpt.tasks import MultiTask, TaskModel
from kpt.training.finetune_settings import FinetuneSettings, peak_rate
from kpt.training.finetune_sources import Source
from kpt.training.finetuning import build_task, read_files, text_weights
from kpt.training.task_files import TaskFiles, task_settings

__all__ = ["JointTasks", "joint_config", "joint_tasks", "main_scores"]

#: What `config.json` calls runs on several tasks.
KIND = "multi_task"
#: Settings of what is trained, which are for a run on one task.
OF_ONE_TASK = ("freeze", "gradual_unfreezing", "layer_decay", "lora_rank")


class JointTasks(NamedTuple):
    """Tasks with their data and their model.

    Attributes:
        model: the tasks' model.
        settings: of each task.
        examples: of each task, to train on.
        held_out: the validation texts of each task.
        checks: batches of these, not shuffled.
    """

    model: MultiTask
    settings: dict[str, FinetuneSettings]
    examples: dict[str, LabelledExamples]
    held_out: dict[str, LabelledTexts | TaggedWords]
    checks: dict[str, LabelledBatches]


def joint_tasks(source: Source, tasks: Sequence[TaskFiles], settings: FinetuneSettings) -> JointTasks:
    """Read the files of tasks and make their model, with new heads.

    Args:
        source: the encoder.
        tasks: the tasks.
        settings: of the run.

    Raises:
        InputError: there are fewer than two tasks, two have one name, a setting is for runs on one task, or a file, a
            label or a setting does not fit.
    """
    names = [task.name for task in tasks]
    if len(names) < 2 or len(set(names)) < len(names):
        raise InputError(f"the tasks are {', '.join(names) or 'none'}; give two or more of different names")
    fields = FinetuneSettings.__dataclass_fields__
    if given := [name for name in OF_ONE_TASK if getattr(settings, name) != fields[name].default]:
        raise InputError(f"{', '.join(given)}: for runs on one task; on several all weights are trained, leave it out")
    own = {task.name: task_settings(task, settings) for task in tasks}
    read: dict[str, list[Any]] = {}
    for task in tasks:
        try:
            read[task.name] = [read_files(files, own[task.name]) for files in (task.train, task.validation)]
        except InputError as error:
            raise InputError(f"the task {task.name!r}: {error}") from error
    backbone = source.backbone(settings)
    shared = source._replace(backbone=lambda _: backbone)
    models: dict[str, TaskModel] = {}
    examples, checks = {}, {}
    for name in names:
        data, held_out = read[name]
        try:
            model = models[name] = build_task(shared, data, own[name])
            weights = None if isinstance(data, TaggedWords) else text_weights(data, own[name])
            examples[name] = labelled_examples(
                model, data, weights=weights, seed=settings.seed, drawn_windows=own[name].training_windows
            )
            made = labelled_examples(model, held_out, shuffle=False)
        except InputError as error:
            raise InputError(f"the task {name!r}: {error}") from error
        checks[name] = LabelledBatches(made, batch_size=settings.batch_size, repeat=True)
    return JointTasks(MultiTask(models), own, examples, {name: read[name][1] for name in names}, checks)


def joint_config(source: Source, joint: JointTasks, settings: FinetuneSettings, title: str) -> dict[str, Any]:
    """Return the configuration as `config.json` has it."""
    model = joint.model
    shared = {"learning_rate": peak_rate(settings, model.backbone.width), "length": model.length}
    return {
        "title": title,
        "kind": KIND,
        "backend": keras.backend.backend(),
        "model": {**source.note, "width": model.backbone.width},
        "training": {name: value for name, value in asdict(settings).items() if name != "task"} | shared,
        "tasks": {name: asdict(own) | shared for name, own in joint.settings.items()},
        "data": {
            name: {
                "texts": len(joint.examples[name].texts),
                "validation_texts": len(joint.held_out[name]),
                **({"labels": list(task.labels)} if hasattr(task, "labels") else {}),
            }
            for name, task in model.tasks.items()
        },
    }


def main_scores(model: MultiTask, scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return for each task the score that counts, see `main_score`; one that cannot be told is 0.

    Args:
        model: the tasks.
        scores: the scores of each task by name.
    """
    found = {name: float(some[main_score(model.tasks[name])]) for name, some in scores.items()}
    return {name: value if np.isfinite(value) else 0.0 for name, value in found.items()}
