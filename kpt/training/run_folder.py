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
from kpt.training.checkpoint_files import MODEL, check_files, damaged, read_state, write_files
from kpt.training.model_state import random_states, restore_random_states

__all__ = ["RunFolder"]

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
        checkpoints/     step-N/, the newest two and the best: model.keras (model, weights and optimizer after N steps),
                         state.json (random numbers, the metrics so far), checksums.json
        metrics.jsonl    a line of figures every few steps
        tensorboard/     the same for TensorBoard
        report.html      the curves

    Args:
        path: The folder, which `create` made.
        checkpoints: The folder in it that has the checkpoints; of a fine-tuning `checkpoints` has that of the best
            epoch alone, and while it runs `progress` those to go on from.

    Raises:
        InputError: If it is no run folder.

    Example:
        >>> run = RunFolder("runs/mini")  # doctest: +SKIP
        >>> model, step = run.load(), run.step  # doctest: +SKIP
    """

    def __init__(self, path: str | os.PathLike[str], checkpoints: str = "checkpoints") -> None:
        self.path = Path(path)
        self.checkpoints = self.path / checkpoints
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
        except (ValueError, TypeError, RecursionError) as error:
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
        folder = self.checkpoints
        names = (_STEP.fullmatch(entry.name) for entry in folder.iterdir()) if folder.is_dir() else ()
        return sorted(int(name[1]) for name in names if name)

    @property
    def step(self) -> int:
        """Steps that were done up to the newest checkpoint; 0 without one."""
        return max(self.steps, default=0)

    def checkpoint(self, step: int) -> Path:
        """Return the path of the checkpoint after a number of steps."""
        return self.checkpoints / f"step-{step:08d}"

    def save(
        self,
        model: keras.Model,
        step: int | None = None,
        keep: int = 2,
        *,
        best: int | None = None,
        state: Mapping[str, Any] | None = None,
    ) -> Path:
        """Write a checkpoint, completely or not at all, and then remove the oldest.

        Args:
            model: The model with its optimizer.
            step: Steps done; by default what the optimizer counted.
            keep: How many checkpoints stay. Those of later steps do not: they are of a course that was given up.
            best: The step of one that stays too.
            state: What goes on beside the model, JSON values; by default its random numbers alone.

        Returns:
            The path of the checkpoint.

        Raises:
            OSError: The folder cannot be written, or the disk is full; the message says which checkpoint is whole.
        """
        if step is None:
            step = int(keras.ops.convert_to_numpy(model.optimizer.iterations))
        if state is None:
            state = {"random": random_states(model)}
        target = self.checkpoint(step)
        try:
            self.checkpoints.mkdir(exist_ok=True)
            with atomic_folder(target, overwrite=True) as temporary:
                write_files(temporary, model, {"step": step, **state})
        except (OSError, InputError) as error:
            raise self._not_saved(step, error) from error
        kept = {*[other for other in self.steps if other <= step][-keep:], best}
        for old in set(self.steps) - kept:
            shutil.rmtree(self.checkpoint(old), ignore_errors=True)
        return target

    def _not_saved(self, step: int, error: Exception) -> OSError:
        cause = error if isinstance(error, OSError) else error.__cause__
        reason = getattr(cause, "strerror", None) or str(error)
        whole = f"the one after {self.step} steps is whole" if self.step else "there is none yet"
        return OSError(
            getattr(cause, "errno", None),
            f"the checkpoint after {step} steps could not be written to {self.checkpoints} ({reason}); "
            f"{whole}: make room there and go on with --resume",
        )

    def load_newest(self, before: int | None = None, into: keras.Model | None = None) -> tuple[Any, int]:
        """Return the newest model that can be read, to go on training, and its step; tells of those that cannot.

        Args:
            before: only after fewer steps than these; by default any.
            into: see `load`.

        Raises:
            InputError: If there is no checkpoint, or none can be read.
        """
        for step in [step for step in reversed(self.steps) if before is None or step < before]:
            try:
                loaded = self.load(step, into=into), step
            except InputError as error:
                print(f"{error}", file=sys.stderr, flush=True)
                continue
            if step != self.step and before is None:
                print(f"{self.path} goes on from its checkpoint after {step} steps", file=sys.stderr, flush=True)
            return loaded
        if self.steps:
            raise InputError(f"no checkpoint of {self.path} can be read; start the run anew, with --overwrite")
        raise InputError(f"{self.path} has no checkpoint yet; let the training reach its first, or start it anew")

    def state(self, step: int) -> dict[str, Any]:
        """Return what a checkpoint holds beside the model, see `save`; nothing for one of an earlier version.

        Raises:
            InputError: If its file is damaged.
        """
        return read_state(self.checkpoint(step))

    def load(self, step: int | None = None, compile: bool = True, into: keras.Model | None = None) -> Any:
        """Return the model of a checkpoint.

        Args:
            step: Which; by default the newest.
            compile: Whether to restore the optimizer too, to go on training.
            into: A compiled model that gets the weights and the optimizer's variables, in place of a new one; which of
                its weights are trained is no part of a checkpoint.

        Returns:
            The model: a `Pretrainer`, or of a fine-tuning a `Classifier` or `Regressor`.

        Raises:
            InputError: If there is no such checkpoint or its file is damaged.
        """
        if not self.steps:
            raise InputError(f"{self.path} has no checkpoint yet; let the training reach its first, or start it anew")
        step = self.step if step is None else step
        path = self.checkpoint(step) / MODEL
        if step not in self.steps:
            have = ", ".join(map(str, self.steps))
            raise InputError(f"{self.path} has no checkpoint after {step} steps; it has those after {have}")
        check_files(path.parent)
        # The classes that a file may name have to be registered before it is read.
        import kpt.models
        import kpt.objectives
        import kpt.tasks
        import kpt.training.layer_rates  # noqa: F401

        try:
            if into is None:
                model = keras.saving.load_model(path, compile=compile, safe_mode=True)
            else:
                model = into
                model.optimizer.build(model.trainable_variables)
                model.load_weights(path)
        except _UNREADABLE as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            if "Lambda" in str(error) or "Lambda" in str(error.__context__):
                reason = "it has a Lambda layer, whose code kpt does not run"
            raise damaged(path, reason) from error
        state = self.state(step)
        if "random" in state:
            restore_random_states(model, state["random"])
        return model
