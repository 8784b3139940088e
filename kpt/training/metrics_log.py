"""The record of a run: `metrics.jsonl` for programs and the report, event files for TensorBoard."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import keras
import numpy as np

from kpt.distribution.replicas import ReplicaValues
from kpt.errors import InputError
from kpt.files import atomic_file
from kpt.training.interval_means import IntervalMeans
from kpt.training.optimizers import last_gradient_norm

__all__ = ["MetricsLog", "read_metrics"]


class MetricsLog(keras.callbacks.Callback):
    """Writes what `fit` measures, a JSON object a line, flushed line by line, and the same to TensorBoard.

    A line has `step` (steps done), `split` (`"train"`: means over the steps since the line before, or since the epoch
    began of what the model names in `uneven_metrics`; `"heldout"`: the `validation_data` of `fit`), `seconds` since the
    run began, the loss and the metrics by name and, for training, the `learning_rate` and `gradient_norm` of that step
    (before clipping; where the optimizer tells, as kpt's do) and `tokens_per_second` (evaluation and the first step,
    which compiles, left out), with `flops_per_second`, of the model alone, and their `share_of_peak`.

    Like every callback on batch ends it makes `fit` wait for each step's metrics; where steps are short beside that, as
    on accelerators, `compile(steps_per_execution=10)` makes it wait once in ten steps.

    Args:
        path: the file to append to. Lines of steps after `start_step` are of a run that died; they are removed.
        every: steps between two lines of training.
        tokens_per_step: slots in a batch (batch size times length) for `tokens_per_second`; absent if None.
        flops_per_step: operations of a step, for `flops_per_second`; absent if None.
        peak_flops: operations a second that the devices can do, for `share_of_peak`; absent if None.
        start_step: steps that were done before this call of `fit`.
        state: what `state` returned after them, to go on in the middle of an epoch as if there had been no end: the
            same lines, with the same means.
        tensorboard: folder for TensorBoard's event files; none if None.

    Attributes:
        step: steps done.
        logs: what Keras measured over the epoch up to that step.

    Raises:
        InputError: `every` is below 1, or a line of the file is no JSON object.

    Example:
        >>> log = MetricsLog("metrics.jsonl", every=20, tokens_per_step=32 * 128)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        every: int = 20,
        tokens_per_step: int | None = None,
        flops_per_step: int | None = None,
        peak_flops: float | None = None,
        start_step: int = 0,
        state: Mapping[str, Any] | None = None,
        tensorboard: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__()
        if every < 1:
            raise InputError(f"every is {every}; give the number of steps between two lines, 1 or more")
        self.path = Path(path)
        self.every = every
        self.tokens_per_step, self.flops_per_step, self.peak_flops = tokens_per_step, flops_per_step, peak_flops
        self.step = start_step
        self.tensorboard = None if tensorboard is None else Path(tensorboard)
        self.seconds_before = _drop_after(self.path, start_step)
        self._means = IntervalMeans()
        self._state = state
        self._counted: ReplicaValues | None = None
        self.logs: Mapping[str, Any] = state["logs"] if state else {}
        self._interval_start = state["interval_start"] if state else start_step
        self._epoch_start = self._means_start = state["epoch_start"] if state else start_step
        self._first_line = state is None  # after the first step, which compiles
        self._file: IO[str] | None = None
        self._events: Any = None
        self._rate: Callable[[int], float | None] = lambda step: None

    @property
    def in_means(self) -> int:
        """Return of how many steps what Keras measures is the mean."""
        return self.step - self._means_start

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Open the files and start the clock."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("a", encoding="utf-8")
        if self.tensorboard is not None:
            from tensorboardX import SummaryWriter

            self._events = SummaryWriter(str(self.tensorboard), purge_step=self.step + 1)
        self._rate = learning_rates(self.model)
        self._begin = self._interval_begin = time.perf_counter()
        self._epoch_start = self.step
        self._paused = 0.0
        self._compiled = False

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Keras begins its means anew; in the middle of an epoch they go on instead."""
        self._epoch_start = self.step
        state, self._state = self._state, None
        sums = self.model.metrics_variables if state else []
        # Metrics named in `compile` come to be in the first step, too late for that: then the means begin here.
        if state is None or len(sums) != len(state["sums"]):
            self._means_start = self.step
            self._means.reset()
            return
        self._means.restore(state["means"])
        replicas, shares = self._replicas(), state.get("shares")
        if replicas is not None and shares and len(shares[0]) == replicas.strategy.num_replicas_in_sync:
            replicas.assign(shares)  # to the last bit, which the sums are not
            return
        for variable, value in zip(sums, state["sums"], strict=True):
            variable.assign(value)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Write a line after the first step and after every `every` steps."""
        self.step, self.logs = self._epoch_start + batch + 1, logs or {}
        if self.step - self._interval_start >= self.every or self._first_line:
            self._write_training(self.logs)

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Stop the clock of the throughput."""
        self._test_begin = time.perf_counter()

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Go on with the clock of the throughput."""
        self._paused += time.perf_counter() - self._test_begin

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Write the rest of the epoch, and what the held-out documents say."""
        logs = logs or {}
        if self.step > self._interval_start:
            self._write_training(self.logs)
        held_out = {name.removeprefix("val_"): value for name, value in logs.items() if name.startswith("val_")}
        if held_out:
            self._write("heldout", held_out)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Close the files."""
        self.seconds_before += time.perf_counter() - self._begin
        self.close()

    def close(self) -> None:
        """Close the files, also where `fit` did not come to its end."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._events is not None:
            self._events.close()
            self._events = None

    def state(self) -> dict[str, Any]:
        """Return what goes into a checkpoint after the present step: JSON values, of which none is rounded."""
        replicas = self._replicas()
        return {
            "interval_start": self._interval_start,
            "epoch_start": self._means_start,
            "means": self._means.state(),
            "sums": [np.asarray(variable.numpy()).tolist() for variable in self.model.metrics_variables],
            "shares": None if replicas is None else replicas.read(),
            "logs": {name: float(value) for name, value in self.logs.items()},
        }

    def ends_epoch(self, held_out: bool) -> bool:
        """Take an epoch for complete that ended with the last step; returns whether its lines are all there.

        Those that are there in part are removed: they are to be written again.

        Args:
            held_out: whether the held-out documents have a line then.
        """
        state, self._state = self._state, None
        records = read_metrics(self.path) if self.path.is_file() else []
        there = [record["split"] for record in records if record["step"] == self.step]
        if state is None or {"train", *(["heldout"] if held_out else [])} <= set(there):
            self._interval_start = self.step
            return True
        before = self._interval_start == self.step  # the line of training was there when the checkpoint was
        if records:
            _keep(self.path, lambda record: record["step"] < self.step or (before and record["split"] == "train"))
        self._means.restore(state["means"])
        return False

    def _replicas(self) -> ReplicaValues | None:
        """What several replicas count of the metrics; None of one."""
        strategy, variables = getattr(self.model, "_distribute_strategy", None), self.model.metrics_variables
        if strategy is None or strategy.num_replicas_in_sync == 1 or not variables:
            return None
        if self._counted is None or list(map(id, self._counted.variables)) != list(map(id, variables)):
            self._counted = ReplicaValues(strategy, variables)
        return self._counted

    def _write_training(self, logs: Mapping[str, Any]) -> None:
        now = time.perf_counter()
        done = self.step - self._interval_start
        uneven = getattr(self.model, "uneven_metrics", ())
        values = self._means.update(self.in_means, {name: float(logs[name]) for name in logs}, uneven)
        rate = self._rate(self.step - 1)
        if rate is not None:
            values["learning_rate"] = rate
        norm = last_gradient_norm(self.model)
        if norm is not None:
            values["gradient_norm"] = norm
        if self.tokens_per_step and self._compiled:
            speed = done / (now - self._interval_begin - self._paused)
            values["tokens_per_second"] = speed * self.tokens_per_step
            if self.flops_per_step:
                values["flops_per_second"] = speed * self.flops_per_step
                if self.peak_flops:
                    values["share_of_peak"] = values["flops_per_second"] / self.peak_flops
        self._interval_begin, self._interval_start, self._paused = now, self.step, 0.0
        self._compiled, self._first_line = True, False
        self._write("train", values)

    def _write(self, split: str, values: Mapping[str, Any]) -> None:
        numbers = {name: float(value) for name, value in values.items()}
        seconds = self.seconds_before + time.perf_counter() - self._begin
        line = {"step": self.step, "split": split, "seconds": round(seconds, 3)}
        line |= {name: number if math.isfinite(number) else None for name, number in numbers.items()}
        if self._file is not None:
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
        if self._events is not None:
            for name, number in numbers.items():
                self._events.add_scalar(f"{split}/{name}", number, self.step)
            self._events.flush()


def learning_rates(model: Any) -> Callable[[int], float | None]:
    """Return the function from a step to the learning rate that a model's optimizer has there; None where unknown.

    It is evaluated from the schedule, not read from the optimizer, whose variables belong to the step that runs.
    """
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        return lambda step: None
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # that of a LossScaleOptimizer
    rate = optimizer.get_config().get("learning_rate")
    if isinstance(rate, dict):
        schedule = keras.optimizers.schedules.deserialize(rate)
        return lambda step: float(keras.ops.convert_to_numpy(schedule(step)))
    return lambda step: None if rate is None else float(rate)


def read_metrics(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Read `metrics.jsonl`; a last line that a crash cut off is left out.

    Raises:
        InputError: the file is missing, or a line in it is not an object with a step.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no {path}; pre-train into that folder first")
    text = path.read_bytes().decode("utf-8", errors="replace")
    lines = text.split("\n")
    records = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            record["step"], record["split"]
        except (ValueError, KeyError, TypeError) as error:
            if number == len(lines):
                break
            raise InputError(f"{path}, line {number} is not a line of metrics; remove it or the file") from error
        records.append(record)
    return records


def _drop_after(path: Path, step: int) -> float:
    """Keep the lines up to a step; returns the seconds of the last one."""
    if not path.is_file():
        return 0.0
    kept = _keep(path, lambda record: record["step"] <= step)
    return max((record.get("seconds") or 0.0 for record in kept), default=0.0)


def _keep(path: Path, wanted: Callable[[Mapping[str, Any]], bool]) -> list[dict[str, Any]]:
    """Write the file anew with some of its lines; returns these."""
    kept = [record for record in read_metrics(path) if wanted(record)]
    with atomic_file(path) as temporary:
        temporary.write_text("".join(json.dumps(record) + "\n" for record in kept), encoding="utf-8")
    return kept
