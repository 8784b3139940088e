from __future__ import annotations

import errno
import threading
from pathlib import Path

import keras
import pytest

from kpt.objectives import Pretrainer
from kpt.training.checkpoints import Checkpoints, best_step
from kpt.training.metrics_log import MetricsLog
from kpt.training.model_state import values
from kpt.training.run_folder import RunFolder
from tests.training.test_run_folder import BATCH, compiled_model, fit, run

__all__ = ["run"]  # a fixture


def eager_model() -> Pretrainer:
    """Not compiled, which takes longer than a few steps."""
    model = compiled_model()
    model.run_eagerly, model.jit_compile = True, False
    return model


def test_checkpoints_of_fit(run: RunFolder) -> None:
    model = eager_model()
    checkpoints = Checkpoints(run, every=3)
    fit(model, epochs=1, callbacks=[checkpoints])
    assert run.steps == [3, 4]  # a multiple of three, and the end
    assert checkpoints._twin, "it was not written beside the training"
    fit(model, epochs=1, callbacks=[Checkpoints(run, every=3)])
    assert run.steps == [6, 8]
    fit(model, epochs=1, callbacks=[Checkpoints(run, every=4)])
    assert run.steps == [8, 12]
    again = run.load()
    for value, expected in zip(values(again), values(model), strict=True):
        assert (value == expected).all()


def test_batches_are_counted_without_a_look_at_the_model(run: RunFolder) -> None:
    looks: list[int] = []

    class Watched(Checkpoints):
        @property
        def model(self) -> Pretrainer:
            looks.append(1)
            return super().model

    fit(eager_model(), callbacks=[Watched(run, every=3, start_step=20)])
    assert run.steps == [21, 24]
    assert len(looks) == 2


def test_what_is_evaluated_is_saved_before_and_the_best_stays(run: RunFolder) -> None:
    losses = iter((3.0, 1.0, 2.0, 2.5))

    class Loss(keras.callbacks.Callback):
        def on_test_begin(self, logs: object = None) -> None:
            seen.append(list(run.steps))

        def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
            assert logs is not None
            logs["val_loss"] = next(losses)

    seen: list[list[int]] = []
    log = MetricsLog(run.metrics, every=1)
    checkpoints = Checkpoints(run, every=100, log=log, keep=1)
    fit(eager_model(), epochs=4, validation_data=BATCH, callbacks=[Loss(), log, checkpoints, Waits(checkpoints)])
    assert run.steps == [8, 16]
    assert run.state(16)["log"]["interval_start"] == 16
    assert "masked_lm_loss" in run.state(16)["log"]["logs"]


class Waits(keras.callbacks.Callback):
    """Waits for each checkpoint, so that the order of what happens is the same each time."""

    def __init__(self, checkpoints: Checkpoints) -> None:
        super().__init__()
        self.checkpoints = checkpoints

    def on_test_begin(self, logs: object = None) -> None:
        self.checkpoints.wait()


def test_training_goes_on_while_a_checkpoint_is_written(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    may_write, save, steps = threading.Event(), run.save, []
    monkeypatch.setattr(run, "save", lambda *words, **options: may_write.wait(30) and save(*words, **options))

    class Counts(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            steps.append(list(run.steps))
            if batch == 2:
                may_write.set()

    fit(eager_model(), callbacks=[Checkpoints(run, every=2), Counts()])
    assert steps[:3] == [[], [], []]
    assert run.steps == [2, 4]


def test_a_checkpoint_that_cannot_be_written_ends_the_training(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    model = eager_model()
    fit(model, callbacks=[Checkpoints(run, every=4)])

    def full(self: keras.Model, path: Path) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Pretrainer, "save", full)
    message = r"after [68] steps could not be written to .* \(No space left on device\); the one after 4 steps is whole"
    with pytest.raises(OSError, match=message):
        fit(model, epochs=9, callbacks=[Checkpoints(run, every=2)])
    assert int(model.optimizer.iterations) < 40
    assert [entry.name for entry in (run.path / "checkpoints").iterdir()] == ["step-00000004"]
    monkeypatch.undo()
    assert int(run.load().optimizer.iterations) == 4


def test_the_best_step() -> None:
    records = [
        {"step": 2, "split": "train", "loss": 0.5},
        {"step": 2, "split": "heldout", "loss": 3.0},
        {"step": 4, "split": "heldout", "loss": 2.0},
        {"step": 6, "split": "heldout", "loss": None},
        {"step": 8, "split": "heldout", "loss": 2.0},
    ]
    assert best_step(records, [2, 4, 6, 8]) == 4
    assert best_step(records, [2, 6, 8]) == 8
    assert best_step(records, [6, 7]) is None
