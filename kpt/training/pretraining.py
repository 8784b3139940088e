"""Pre-training from a token store to a run folder, whatever the objective: what `kpt pretrain` and `kpt demo` do."""

from __future__ import annotations

import os
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import keras

from kpt.data import Batches
from kpt.distribution import compiles_steps, device_count, find_device
from kpt.errors import InputError
from kpt.files import write_json
from kpt.models import training_flops
from kpt.objectives import Pretrainer
from kpt.text import Vocabulary
from kpt.training.adaptation import Beginning, check_tokenizer, take_weights
from kpt.training.checkpoints import Checkpoints
from kpt.training.document_vectors import leave_document_vectors
from kpt.training.finite_loss import FiniteLoss
from kpt.training.kept_run import kept_run
from kpt.training.metrics_log import MetricsLog, read_metrics
from kpt.training.on_devices import on_devices
from kpt.training.pretraining_data import Data, PretrainingData, batches_of, open_data
from kpt.training.progress import TrainingProgress
from kpt.training.report import write_report
from kpt.training.run_folder import RunFolder
from kpt.training.settings import PretrainSettings
from kpt.training.steps import fit_steps

__all__ = ["Pretraining", "pretrain"]

Records = Sequence[Mapping[str, Any]]
# A store may be moved, what it has is compared; how often the run is saved is no part of it.
FREE = frozenset({"store", "checkpoint_every", "keep", "document_vectors"})


class Pretraining(ABC):
    """What differs from one kind of pre-training to the other.

    Args:
        settings: of the run.
    """

    title: ClassVar[str]
    #: Documents that evaluation needs; a pair of texts of which one is from elsewhere needs two.
    least_held_out: ClassVar[int] = 2
    #: Whether it can do with records that are masked already.
    takes_records: ClassVar[bool] = False

    def __init__(self, settings: PretrainSettings) -> None:
        self.settings = settings

    def open(self, data: Data, progress: bool = False) -> PretrainingData:
        """Open the data and divide them, see `open_data`."""
        return open_data(
            data, self.settings, least_held_out=self.least_held_out, takes_records=self.takes_records, progress=progress
        )

    @property
    @abstractmethod
    def predictions(self) -> int:
        """Tokens that are predicted in a sequence."""

    @abstractmethod
    def examples(self, part: Any) -> Any:
        """Return the maker of examples, see `Batches`, of one side of the data that `open_data` opened."""

    def flops_per_step(self, model: Pretrainer) -> int:
        """Return the operations of a step, without those that rematerialisation adds, see `training_flops`."""
        return training_flops(
            model.backbone.arguments,
            batch=self.settings.batch_size,
            length=self.settings.length,
            predictions=self.predictions,
            vocabulary=model.backbone.vocabulary_size,
            remat=False,
        )

    @abstractmethod
    def model(self, vocabulary: Vocabulary) -> Pretrainer:
        """Return the model, not compiled."""

    @abstractmethod
    def baselines(self, train: Any, validation: Batches) -> dict[str, Any]:
        """Return what is reached without a model, by the names of the metrics, and under `..._words` how."""

    @abstractmethod
    def samples(self, model: Pretrainer, held_out: Any) -> list[dict[str, Any]]:
        """Return what the report shows of the model's work, see `kpt.training.report_samples`."""

    @abstractmethod
    def results(self, train: Records, held_out: Records, baselines: Mapping[str, Any]) -> dict[str, Any]:
        """Return the results by name, from the records of both splits and the baselines."""


@on_devices
def pretrain(
    task: Pretraining,
    data: Data,
    out: str | os.PathLike[str],
    *,
    beginning: Beginning | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, Any]:
    """Pre-train a model, evaluate it on held-out documents, write the report.

    A run that ended at any moment goes on as if it had not: with the same weights, and the same lines of metrics, as
    far as the backend computes the same twice, as on one CPU. Ctrl-C and SIGTERM end it after the step that runs, of
    which it then has a checkpoint.

    Further it takes `devices`, what to train on: see `kpt.distribution.choose_devices`.

    Args:
        task: what to train, with its settings.
        data: folder of the token store, or a `RecordSource`.
        out: the run folder, see `RunFolder`; with `samples.json`, `results.json` and `report.html`.
        beginning: a model to go on with on this text, which the settings fit, see `kpt.training.adaptation.adapted`.
        resume: go on from the newest checkpoint in `out`; a run that was not begun is begun, a complete one only
            reports.
        overwrite: replace a run that is in `out`.
        progress: show how far it is on standard error.
        callbacks: for `fit`, beside those that write the metrics and the checkpoints.

    Returns:
        The results by name.

    Raises:
        InputError: the store is damaged or has too few documents, `out` holds something, or the run to go on with has
            other settings.
        FloatingPointError: the loss became infinite or not a number.
        KeyboardInterrupt: Ctrl-C; the message says how to go on.
        Terminated: likewise for SIGTERM, see `kpt.errors`.
        OSError: a checkpoint could not be written; the one before it is whole.
    """
    begin = time.perf_counter()
    settings = task.settings
    opened = task.open(data, progress)
    train_examples, held_out_examples = (task.examples(part) for part in (opened.train, opened.held_out))
    config = config_of(task, opened)
    if beginning is not None:
        check_tokenizer(opened.tokenizer, opened.description["store"], beginning)
        config["from"] = beginning.source
    run = begun_run(Path(out), config) if resume else None

    random.seed(settings.seed)  # Keras draws the seeds of its initializers and dropouts from it, on every backend
    if run and run.step:
        model, step = run.load_newest()
    else:
        model, step = build_model(task, opened.tokenizer.vocabulary), 0
        if beginning is not None:
            take_weights(model, beginning, opened.tokenizer)
    if (compiled := compiles_steps()) != "auto":  # a checkpoint may be of a run on other devices
        model.jit_compile = compiled
    options: dict[str, Any] = {"batch_size": settings.batch_size, "repeat": True}
    validation = batches_of(held_out_examples, model, steps=settings.evaluation_batches, **options)
    baselines = task.baselines(opened.train, validation)
    if run is None:  # what does not fit has been refused by now
        run = RunFolder.create(out, opened.tokenizer, config, overwrite=overwrite)
    leave_document_vectors(run.path, opened.train, settings.document_vectors)
    peak = find_device().peak
    speed: dict[str, Any] = {
        "tokens_per_step": settings.tokens_per_step,
        "flops_per_step": task.flops_per_step(model),
        "peak_flops": None if peak is None else peak * device_count(),
    }
    log = metrics_log(run, settings, step, speed)
    checkpoints = Checkpoints(
        run, settings.checkpoint_every or settings.interval, start_step=step, log=log, keep=settings.keep
    )
    shown = [training_progress(settings, log, speed)] if progress else []
    with kept_run(run, checkpoints, shown, lambda: report(run, task, baselines)) as interruption:
        fit_steps(
            model,
            lambda start, count: batches_of(train_examples, model, steps=count, start_step=start, **options),
            start_step=step,
            steps=settings.steps,
            interval=settings.interval,
            log=log,
            callbacks=[log, FiniteLoss(step, log=log), checkpoints, *shown, *callbacks, interruption],
            validation=validation,
        )
    write_json(run.path / "samples.json", task.samples(model, opened.held_out))
    results = {"parameters": model.count_params(), **report(run, task, baselines)}
    return results | {"seconds": round(time.perf_counter() - begin, 1)}


def begun_run(path: Path, config: Mapping[str, Any], free: Collection[str] = FREE) -> RunFolder | None:
    """Return the run to go on with in a folder, None if none was begun there.

    Args:
        path: the folder.
        config: what the run was to be begun with, see `check_same`.
        free: likewise.

    Raises:
        InputError: it has other settings.
    """
    if not (path / "config.json").is_file():
        return None
    run = RunFolder(path)
    check_same(run, config, free)
    return run


def check_same(run: RunFolder, config: Mapping[str, Any], free: Collection[str] = FREE) -> None:
    """Make sure that a run was begun with these settings and these data, as far as they make a difference.

    Args:
        run: the run.
        config: its configuration as it would be now.
        free: settings that may differ.

    Raises:
        InputError: it was not; the message has the first difference.
    """
    old = {group: run.config.get(group, {}) for group in ("training", "model", "data")}
    for what, name in (("tokenizer", "tokenizer"), ("text", "content")):
        before, now = old["data"].get(name), config["data"].get(name)
        if before is not None and now is not None and before != now:  # an earlier version wrote no `content`
            store = old["data"].get("store")
            of, where = ("a store of ", f": {store}") if store else ("", "")
            raise InputError(
                f"the run {run.path} was begun with {of}another {what} ({before[:12]}, not {now[:12]}){where}; go on "
                "with that one, or choose another folder"
            )
    for group, settings in old.items():
        for name, new in config[group].items():
            if name not in free and name != "content" and settings.get(name) != new:
                raise InputError(
                    f"the run {run.path} has the {group} setting {name} {settings.get(name)!r}, not {new!r}; "
                    "go on with the settings it was begun with, or choose another folder"
                )


def metrics_log(run: RunFolder, settings: PretrainSettings, step: int, speed: Mapping[str, Any]) -> MetricsLog:
    """Return the callback that writes the metrics of a run, about 150 lines but at least one in twenty steps."""
    state = run.state(step).get("log") if step else None
    return MetricsLog(
        run.metrics,
        every=max(1, min(20, settings.steps // 150)),
        start_step=step,
        state=state,
        tensorboard=run.tensorboard,
        **speed,
    )


def training_progress(settings: PretrainSettings, log: MetricsLog, speed: Mapping[str, Any]) -> TrainingProgress:
    """Return the callback that shows how far a run is."""
    return TrainingProgress(
        settings.steps, start_step=log.step, epoch_start=log.step // settings.interval * settings.interval, **speed
    )


def report(run: RunFolder, task: Pretraining, baselines: dict[str, Any]) -> dict[str, Any]:
    """Write the results and the report of a run, also of one that was interrupted; returns the results."""
    if not run.metrics.is_file():
        return {}
    results = summarize(read_metrics(run.metrics), task, baselines)
    write_json(run.path / "results.json", {**results, "baselines": baselines})
    return {"run": str(run.path), "report": str(write_report(run.path)), **results}


def build_model(task: Pretraining, vocabulary: Vocabulary) -> Pretrainer:
    """Return the compiled model."""
    model = task.model(vocabulary)
    model.compile(optimizer=make_optimizer(task), jit_compile=compiles_steps())  # the shapes are fixed
    return model


def make_optimizer(task: Pretraining) -> Any:
    """Return the optimizer."""
    optimizer = task.settings.optimizer()
    if task.settings.precision == "mixed_float16":  # small gradients would be 0; named here, a checkpoint keeps it
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


def summarize(records: Records, task: Pretraining, baselines: Mapping[str, Any]) -> dict[str, Any]:
    """Return the results of a run from its metrics."""
    train = [record for record in records if record["split"] == "train"]
    held_out = [record for record in records if record["split"] == "heldout"]
    results = {"steps": train[-1]["step"] if train else 0, **task.results(train, held_out, baselines)}
    for name in ("tokens_per_second", "flops_per_second", "share_of_peak"):
        if speeds := sorted(record[name] for record in train if name in record):
            middle = speeds[len(speeds) // 2]
            results[name] = round(middle) if name != "share_of_peak" else round(middle, 4)
    return results


def config_of(task: Pretraining, data: PretrainingData) -> dict[str, Any]:
    """Return the configuration as `config.json` has it."""
    settings = task.settings
    return {
        "title": f"{task.title} pre-training",
        "backend": keras.backend.backend(),
        "model": settings.model_config,
        "training": {name: value for name, value in asdict(settings).items() if name != "backbone"}
        | {"learning_rate": settings.peak},
        "data": data.description,
    }
