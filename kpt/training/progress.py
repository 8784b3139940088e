"""How far `fit` is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import IO, Any

import keras
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from kpt.training.interval_means import IntervalMeans
from kpt.training.optimizers import last_gradient_norm

__all__ = ["TrainingProgress"]


class TrainingProgress(keras.callbacks.Callback):
    """Shows step, loss, accuracies, gradient norm, speed and the time left; pass `verbose=0` to `fit`.

    Args:
        steps: steps of the whole run.
        tokens_per_step: slots in a batch, for the throughput; absent if None.
        flops_per_step: operations of a step; absent if None.
        peak_flops: operations a second that the devices can do; absent if None.
        unit: what tokens are called.
        start_step: steps that were done before this call of `fit`.
        epoch_start: step at which the epoch began whose means Keras goes on with; by default `start_step`.
        file: where to write; standard error by default.
        lines: how many lines a run prints where there is no terminal.

    Example:
        >>> progress = TrainingProgress(steps=1000, tokens_per_step=32 * 128)
    """

    def __init__(
        self,
        steps: int,
        *,
        tokens_per_step: int | None = None,
        flops_per_step: int | None = None,
        peak_flops: float | None = None,
        unit: str = "tokens",
        start_step: int = 0,
        epoch_start: int | None = None,
        file: IO[str] | None = None,
        lines: int = 20,
    ) -> None:
        super().__init__()
        self.steps = steps
        self.tokens_per_step, self.unit = tokens_per_step, unit
        self.flops_per_step, self.peak_flops = flops_per_step, peak_flops
        self.step = start_step
        self._before = 0 if epoch_start is None else start_step - epoch_start
        self.console = Console(file=file, stderr=file is None, highlight=False, soft_wrap=True)
        self.lines = lines
        self._means = IntervalMeans()
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Draw the bar."""
        self._every = 5 if self.console.is_terminal else max(1, self.steps // self.lines)
        self._shown = self._epoch_start = self._first_step = self.step
        self._shown_at = time.perf_counter()
        self._paused = 0.0
        if self.console.is_terminal:
            columns = (
                BarColumn(bar_width=24),
                TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
                TextColumn("{task.description}"),
                TimeRemainingColumn(),
            )
            self._bar = Progress(*columns, console=self.console)
            self._task = self._bar.add_task("compiling", total=self.steps, completed=self.step)
            self._bar.start()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Keras begins its means anew."""
        self._epoch_start = self.step
        self._batches_before, self._before = self._before, 0
        self._means.reset()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Show the means of the latest steps."""
        self.step = self._epoch_start + batch + 1
        if self.step - self._shown < self._every and self.step != self.steps and self._shown != self._first_step:
            return
        now = time.perf_counter()
        values = {name: float(value) for name, value in (logs or {}).items()}
        uneven = getattr(self.model, "uneven_metrics", ())
        words = summary(self._means.update(self._batches_before + batch + 1, values, uneven))
        norm = last_gradient_norm(self.model)
        if norm is not None:
            words += f"  gradient {norm:.3g}"
        if self._shown == self._first_step:  # the first step compiles and tells nothing of the speed
            self._compiled_step, self._compiled_at = self.step, now
        elif self.tokens_per_step:
            speed = (self.step - self._shown) / (now - self._shown_at - self._paused)
            words += f"  {speed * self.tokens_per_step / 1000:.1f} k {self.unit}/s"
            words += flops_words(speed * self.flops_per_step, self.peak_flops) if self.flops_per_step else ""
        self._shown, self._shown_at, self._paused = self.step, now, 0.0
        if self._bar is not None:
            self._bar.update(self._task, completed=self.step, description=words)
            return
        if self.step > self._compiled_step:
            left = (now - self._compiled_at) / (self.step - self._compiled_step) * (self.steps - self.step)
            words += f"  {clock(left)} left"
        self.console.print(f"step {self.step:,}/{self.steps:,}  {words}", markup=False)

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Stop the clock of the throughput."""
        self._test_begin = time.perf_counter()

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Go on with the clock of the throughput."""
        self._paused += time.perf_counter() - self._test_begin

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Show what the held-out documents say."""
        prefix = "val_"
        held_out = {
            name.removeprefix(prefix): float(value) for name, value in (logs or {}).items() if name.startswith(prefix)
        }
        if held_out:
            self.console.print(f"held out after {self.step:,} steps:  {summary(held_out)}", markup=False)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Leave the terminal as it was."""
        self.close()

    def close(self) -> None:
        """Remove the bar, also after an interruption."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def summary(values: Mapping[str, float]) -> str:
    """Name losses and accuracies in a few words.

    Example:
        >>> summary({"loss": 7.25, "masked_lm_loss": 6.5, "masked_lm_accuracy": 0.125})
        'loss 7.250  masked lm 12.5 %'
    """
    words = [f"loss {values['loss']:.3f}"] if "loss" in values else []
    for name, value in values.items():
        if name.endswith("_accuracy"):
            words.append(f"{name.removesuffix('_accuracy').replace('_', ' ')} {100 * value:.1f} %")
    return "  ".join(words)


def flops_words(flops: float, peak: float | None) -> str:
    """Name operations a second, and their share of what the devices can do, where that is known.

    Example:
        >>> flops_words(1.25e11, None), flops_words(4.0e14, 989e12)
        ('  125.0 GFLOP/s', '  400.0 TFLOP/s (40 % of the peak)')
    """
    number, unit = (flops / 1e12, "T") if flops >= 1e12 else (flops / 1e9, "G")
    return f"  {number:.1f} {unit}FLOP/s" + (f" ({100 * flops / peak:.0f} % of the peak)" if peak else "")


def clock(seconds: float) -> str:
    """Seconds as minutes and seconds, or hours, minutes and seconds.

    Example:
        >>> clock(75), clock(3725)
        ('1:15', '1:02:05')
    """
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
