"""The folder of a run: everything to go on from it, to export it and to see how it went."""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import sys
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

import kpt
from kpt.errors import InputError
from kpt.files import atomic_folder, write_json
from kpt.text import Tokenizer, load_tokenizer

__all__ = ["Checkpoints", "RunFolder"]

# What `config.json` says its folder is; nothing without it is read as a run, or replaced by one.
FORMAT = "kpt-run"

_STEP = re.compile(r"step-(\d+)")

# What zipfile, h5py and Keras raise for a file that is cut, altered, or none of Keras's.
_UNREADABLE = (
    OSError,
    LookupError,
    ValueError,
    TypeError,
    RuntimeError,
    EOFError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


class RunFolder:
    """A run on disk.

        config.json      the settings, and the version of kpt that wrote them
        tokenizer/       the tokenizer, loadable by `kpt` and by Hugging Face `tokenizers`
        checkpoints/     step-N/model.keras: model, weights and optimizer after N steps, the newest two
        metrics.jsonl    a line of figures every few steps
        tensorboard/     the same for TensorBoard
        report.html      the curves

    Args:
        path: The folder, which `create` made.

    Raises:
        InputError: If it is no run folder.

    Example:
        >>> run = RunFolder("runs/mini")  # doctest: +SKIP
        >>> model, step = run.load(), run.step  # doctest: +SKIP
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if not (self.path / "config.json").is_file():
            raise InputError(
                f"{self.path} is no run folder (it has no config.json); give one that `kpt pretrain` wrote"
            )
        if self.config.get("format") != FORMAT:
            raise InputError(
                f"{self.path} is no run folder (its config.json is not that of a run); give one that "
                "`kpt pretrain` wrote"
            )

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        tokenizer: Tokenizer,
        config: Mapping[str, Any],
        overwrite: bool = False,
    ) -> RunFolder:
        """Make the folder of a new run, completely or not at all.

        Args:
            path: A folder that does not exist yet or is empty.
            tokenizer: Saved into it.
            config: Written as `config.json`; any JSON values.
            overwrite: Whether to replace a run that is there; anything else is never replaced.

        Returns:
            The run folder, without a checkpoint.

        Raises:
            InputError: If the folder holds something that is not to be replaced, or cannot be written.
        """
        path = Path(path)
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            if not (overwrite and path.is_dir()):
                raise InputError(f"{path} exists already; give another folder, or remove it first")
            cls(path)  # refuses what is no run
        with atomic_folder(path, overwrite=overwrite) as temporary:
            tokenizer.save(temporary / "tokenizer")
            write_json(temporary / "config.json", {"format": FORMAT, "kpt": kpt.__version__, **config})
        return cls(path)

    @property
    def config(self) -> dict[str, Any]:
        """The settings as `create` was given them.

        Raises:
            InputError: If the file is damaged.
        """
        path = self.path / "config.json"
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise InputError(f"{path} cannot be read ({error}); start the run anew") from error

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer, read anew."""
        return load_tokenizer(self.path / "tokenizer")

    @property
    def metrics(self) -> Path:
        """Path of `metrics.jsonl`."""
        return self.path / "metrics.jsonl"

    @property
    def tensorboard(self) -> Path:
        """Path of TensorBoard's logs."""
        return self.path / "tensorboard"

    @property
    def steps(self) -> list[int]:
        """The steps of the checkpoints, ascending."""
        folder = self.path / "checkpoints"
        names = (_STEP.fullmatch(entry.name) for entry in folder.iterdir()) if folder.is_dir() else ()
        return sorted(int(name[1]) for name in names if name)

    @property
    def step(self) -> int:
        """Steps that were done up to the newest checkpoint; 0 without one."""
        return max(self.steps, default=0)

    def checkpoint(self, step: int) -> Path:
        """Return the path of the checkpoint after a number of steps."""
        return self.path / "checkpoints" / f"step-{step:08d}"

    def save(self, model: keras.Model, step: int | None = None, keep: int = 2) -> Path:
        """Write a checkpoint, completely or not at all, and remove the oldest.

        Args:
            model: The model with its optimizer.
            step: Steps done; by default what the optimizer counted.
            keep: How many checkpoints stay.

        Returns:
            The path of the checkpoint.

        Raises:
            InputError: If the folder cannot be written.
        """
        if step is None:
            step = int(model.optimizer.iterations)
        (self.path / "checkpoints").mkdir(exist_ok=True)
        target = self.checkpoint(step)
        with atomic_folder(target, overwrite=True) as temporary:
            model.save(temporary / "model.keras")
        for old in self.steps[:-keep]:
            shutil.rmtree(self.checkpoint(old), ignore_errors=True)
        return target

    def load_newest(self) -> tuple[Any, int]:
        """Return the newest model that can be read, to go on training, and its step; tells of those that cannot.

        Raises:
            InputError: If there is no checkpoint, or none can be read.
        """
        for step in reversed(self.steps):
            try:
                return self.load(step), step
            except InputError as error:
                print(f"{error}", file=sys.stderr, flush=True)
        if self.steps:
            raise InputError(f"no checkpoint of {self.path} can be read; start the run anew, with --overwrite")
        raise InputError(f"{self.path} has no checkpoint yet; let the training reach its first, or start it anew")

    def load(self, step: int | None = None, compile: bool = True) -> Any:
        """Return the model of a checkpoint.

        Args:
            step: Which; by default the newest.
            compile: Whether to restore the optimizer too, to go on training.

        Returns:
            The model: a `Pretrainer`, or of a fine-tuning a `Classifier` or `Regressor`.

        Raises:
            InputError: If there is no such checkpoint or its file is damaged.
        """
        if not self.steps:
            raise InputError(f"{self.path} has no checkpoint yet; let the training reach its first, or start it anew")
        step = self.step if step is None else step
        path = self.checkpoint(step) / "model.keras"
        if not path.is_file():
            have = ", ".join(map(str, self.steps))
            raise InputError(f"{self.path} has no checkpoint after {step} steps; it has those after {have}")
        # The classes that a file may name have to be registered before it is read.
        import kpt.models
        import kpt.objectives
        import kpt.tasks
        import kpt.training.optimizers  # noqa: F401

        try:
            return keras.saving.load_model(path, compile=compile, safe_mode=True)
        except _UNREADABLE as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise InputError(f"{path} cannot be read ({reason}); take another checkpoint of the run") from error


class Checkpoints(keras.callbacks.Callback):
    """Saves the model into a run folder every so many steps and at the end.

    Args:
        run: The run folder.
        every: Steps between two checkpoints.
        start_step: Steps that were done before; by default what the optimizer counted.

    A step is a batch, also where the optimizer passes over it because a loss scale was too large. The batches are
    counted here: looking at the model after each of them would, on JAX, wait for it and copy its state.
    """

    def __init__(self, run: RunFolder, every: int, start_step: int | None = None) -> None:
        super().__init__()
        self.run, self.every, self.step = run, every, start_step

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Count from the steps that the model has behind it."""
        if self.step is None:
            self.step = int(self.model.optimizer.iterations)
        self.saved = self._epoch_start = self.step

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Keras counts the batches anew."""
        self._epoch_start = self.step or 0

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Save where the step is a multiple of `every`."""
        self.step = self._epoch_start + batch + 1
        if self.step // self.every != self.saved // self.every:
            self._save(self.step)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Save what is newer than the last checkpoint."""
        if self.step is not None and self.step != self.saved:
            self._save(self.step)

    def _save(self, step: int) -> None:
        self.run.save(self.model, step)
        self.saved = step
