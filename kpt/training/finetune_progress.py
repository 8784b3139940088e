"""What a fine-tuning needs to go on after it was ended, beside the model of its best epoch."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Any

from kpt.training.finetune_settings import FinetuneSettings
from kpt.training.report import read_json
from kpt.training.run_folder import RunFolder

__all__ = ["EPOCHS", "at_end", "checkpoint_interval", "complete_results", "drop_progress", "progress_folder", "waited"]

#: The file of the epochs' scores in a run folder.
EPOCHS = "epochs.json"
#: The folder of the checkpoints to go on from; those of the best epoch, to be used, are where all runs have theirs.
PROGRESS = "progress"
#: Steps between two checkpoints at least: epochs over few labels are shorter than the writing of a model.
LEAST = 50


def progress_folder(run: RunFolder) -> RunFolder:
    """Return a run with the checkpoints to go on from in place of that of the best epoch."""
    return RunFolder(run.path, PROGRESS)


def drop_progress(run: RunFolder) -> None:
    """Remove the checkpoints to go on from, of a run that came to its end."""
    shutil.rmtree(run.path / PROGRESS, ignore_errors=True)


def checkpoint_interval(steps_per_epoch: int) -> int:
    """Return the steps between two checkpoints: an epoch, or as many short ones as have 50 steps.

    Example:
        >>> checkpoint_interval(300), checkpoint_interval(20)
        (300, 60)
    """
    return steps_per_epoch * -(-LEAST // steps_per_epoch)


def waited(scores: Sequence[float]) -> int:
    """Return how many epochs there were since the best, the first of equal ones.

    Example:
        >>> waited([0.5, 0.75, 0.75, 0.625]), waited([])
        (2, 0)
    """
    return len(scores) - 1 - scores.index(max(scores)) if scores else 0


def at_end(epochs: Sequence[dict[str, Any]], name: str, most: int, patience: int | None) -> bool:
    """Return whether the training is over after some epochs.

    Args:
        epochs: their records, see `kpt.training.task_validation.TaskValidation`.
        name: of the score that counts.
        most: epochs of the whole run.
        patience: epochs without a better score after which it ends; None for never.
    """
    trained = [record for record in epochs if record["epoch"] > 0]
    if len(trained) >= most:
        return True
    return patience is not None and waited([record[name] for record in trained]) >= patience


def complete_results(run: RunFolder, name: str, settings: FinetuneSettings) -> dict[str, Any]:
    """Return the results of a run that came to its end; nothing of one that did not, or did not write them.

    Args:
        run: without checkpoints to go on from.
        name: of the score that counts.
        settings: of the run.
    """
    epochs = read_json(run.path / EPOCHS, [])
    results: dict[str, Any] = read_json(run.path / "results.json", {})
    trained = sum(record["epoch"] > 0 for record in epochs)
    if results.get("epochs") == trained and at_end(epochs, name, settings.epochs, settings.patience):
        return results
    return {}
