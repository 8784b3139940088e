"""Checkpoints while `fit` runs, written beside the training and kept as far as they are of use."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import keras

from kpt.training.metrics_log import MetricsLog, read_metrics
from kpt.training.model_state import Twin, random_states, values
from kpt.training.run_folder import RunFolder

__all__ = ["Checkpoints", "best_step"]


class Checkpoints(keras.callbacks.Callback):
    """Saves the model into a run folder every so many steps, before each evaluation, and at the end.

    The model is copied in the host's memory and written by a thread, so that training waits for the copy alone, or for
    the checkpoint before, if that is still being written. (A model that cannot be made again from its configuration is
    written at once, and so is one of several JAX processes, whose computations have to come in one order.) A checkpoint
    is removed only after a newer one is complete.

    A step is a batch, also where the optimizer passes over it because a loss scale was too large. The batches are
    counted here: looking at the model after each of them would, on JAX, wait for it and copy its state.

    Args:
        run: The run folder.
        every: Steps between two checkpoints.
        start_step: Steps that were done before; by default what the optimizer counted.
        log: The log of the run, which comes before this among the callbacks; a checkpoint then has what the log needs
            to go on, and the best checkpoint by its held-out loss stays.
        keep: How many of the newest checkpoints stay.

    Raises:
        OSError: From `fit`, if a checkpoint could not be written.
    """

    def __init__(
        self,
        run: RunFolder,
        every: int,
        start_step: int | None = None,
        *,
        log: MetricsLog | None = None,
        keep: int = 2,
    ) -> None:
        super().__init__()
        self.run, self.every, self.step, self.log, self.keep = run, every, start_step, log, keep
        self.saved = start_step
        self._writer = Writer()
        self._twin: Twin | Literal[False] | None = None

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Count from the steps that the model has behind it."""
        if self.step is None:
            self.step = int(keras.ops.convert_to_numpy(self.model.optimizer.iterations))
        if self.saved is None:
            self.saved = self.step
        self._epoch_start = self.step

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Keras counts the batches anew."""
        self._epoch_start = self.step or 0

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Save where the steps have passed a multiple of `every`."""
        self._writer.check()
        self.step = self._epoch_start + batch + 1
        if self.step // self.every != (self.saved or 0) // self.every:
            self.save()

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Save what is about to be evaluated: it may be the best, and an evaluation may fail."""
        self.save()

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Save what is newer than the last checkpoint, and wait for it."""
        self.save()
        self.wait()

    def save(self) -> None:
        """Save the model unless that was done after this step; `wait` for it to be written."""
        if self.step is None or self.step == self.saved:
            return
        self.wait()
        model, step, log = self.model, self.step, self.log
        state = {"random": random_states(model)} | ({} if log is None else {"log": log.state()})
        twin = self._twin_of(model)
        arrays = [] if twin is None else values(model)

        def write() -> None:
            if twin is not None:
                twin.assign(arrays)
                arrays.clear()
            best = None if log is None else best_step(read_metrics(log.path), self.run.steps)
            self.run.save(model if twin is None else twin.model, step, self.keep, best=best, state=state)

        if twin is None:
            write()
        else:
            self._writer.start(write)
        self.saved = step

    def _twin_of(self, model: keras.Model) -> Twin | None:
        if self._twin is None:
            try:
                self._twin = Twin(model) if is_one_process() else False
            except ValueError:
                self._twin = False
        return self._twin or None

    def wait(self) -> None:
        """Wait until the last checkpoint is written.

        Raises:
            OSError: It could not be written.
        """
        self._writer.wait()


def is_one_process() -> bool:
    """Return whether no other process of JAX takes part in the training."""
    if keras.backend.backend() != "jax":
        return True
    import jax

    return int(jax.process_count()) == 1


class Writer:
    """Does one piece of work at a time in a thread, and tells of its failure in the thread that asks."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def start(self, work: Callable[[], None]) -> None:
        """Begin a piece of work, after the one before."""
        self.wait()

        def run() -> None:
            try:
                work()
            except BaseException as error:
                self._error = error

        # A second Ctrl-C is to end the process at once; what was half written then is recognised and removed later.
        self._thread = threading.Thread(target=run, name="checkpoint", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait for the end of the work, and raise what went wrong in it."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.check()

    def check(self) -> None:
        """Raise what went wrong, if something did."""
        error, self._error = self._error, None
        if error is not None:
            raise error


def best_step(records: Sequence[Mapping[str, Any]], steps: Sequence[int]) -> int | None:
    """Return the step of the checkpoint with the lowest held-out loss; the first of equal ones, None without any.

    Args:
        records: the lines of `metrics.jsonl`.
        steps: those of the checkpoints.

    Example:
        >>> losses = {10: 5.5, 20: 5.0, 30: 5.2}
        >>> lines = [{"step": step, "split": "heldout", "loss": loss} for step, loss in losses.items()]
        >>> best_step(lines, [10, 20, 30]), best_step(lines, [10, 30]), best_step(lines, [40])
        (20, 30, None)
    """
    losses = {
        record["step"]: record["loss"]
        for record in records
        if record["split"] == "heldout" and record.get("loss") is not None
    }
    return min((step for step in steps if step in losses), key=lambda step: losses[step], default=None)
