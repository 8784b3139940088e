"""Fine-tuning from a file of labels to a run folder: what `kpt finetune` does."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kpt.data.conll import bio_tag_names, read_conll
from kpt.data.glue import read_glue
from kpt.data.labelled import LabelledTexts, label_names, read_labelled
from kpt.data.labelled_batches import LabelledBatches, LabelledExamples
from kpt.data.squad import Questions, read_squad
from kpt.errors import InputError
from kpt.evaluation.task_scores import label_kind, labelled_examples, main_score, threshold_scores
from kpt.files import write_json
from kpt.tasks import Classifier, MultiTask, QuestionAnswerer, Regressor, Tagger, TaskModel
from kpt.training.checkpoints import Checkpoints
from kpt.training.finetune_config import Labelled, config_of
from kpt.training.finetune_errors import worst_errors
from kpt.training.finetune_progress import checkpoint_interval, complete_results, drop_progress, progress_folder
from kpt.training.finetune_report import write_finetune_report
from kpt.training.finetune_settings import FinetuneSettings
from kpt.training.finetune_sources import Source
from kpt.training.finite_loss import FiniteLoss
from kpt.training.kept_run import kept_run
from kpt.training.metrics_log import MetricsLog
from kpt.training.on_devices import on_devices
from kpt.training.pretraining import begun_run
from kpt.training.probe import fit_head
from kpt.training.progress import TrainingProgress
from kpt.training.run_folder import RunFolder
from kpt.training.steps import fit_steps
from kpt.training.task_validation import TaskValidation
from kpt.training.trained_weights import choose_trained, task_optimizer, trained_parameters

__all__ = ["finetune", "load_task_model"]

#: Tokens of a window at most, unless the settings say otherwise.
LENGTH = 256


@on_devices
def finetune(
    source: Source,
    train: Any,
    validation: Any,
    out: str | os.PathLike[str],
    settings: FinetuneSettings | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, Any]:
    """Fine-tune a model on labelled texts, keep the best epoch, write the report.

    While it runs there are checkpoints to go on from after each epoch, or after some of short ones
    (`kpt.training.finetune_progress`). A run that ended at any moment goes on as if it had not: with the same weights
    and scores, as far as the backend computes the same twice, as on one CPU. Ctrl-C and SIGTERM end it after the step
    that runs, of which it then has a checkpoint; the metrics of that epoch then are means over the rest of it.

    Further it takes `devices`, what to train on: see `kpt.distribution.choose_devices`.

    Args:
        source: what is tuned, from `trained_source` or `new_source`.
        train: files of labelled texts, see `kpt.data.read_labelled`; of tagged words, see `kpt.data.read_conll`; of
            questions, see `kpt.data.read_squad`; or what these have read.
        validation: likewise; they choose the epoch and are never trained on.
        out: the run folder, see `RunFolder`; with `epochs.json`, `errors.json`, `results.json` and `report.html`. Its
            checkpoint is that of the best epoch.
        settings: of the run.
        resume: go on from the newest checkpoint in `out`; a run that was not begun is begun, a complete one only
            reports.
        overwrite: replace a run that is in `out`.
        progress: show how far it is on standard error.
        callbacks: for `fit`, beside those that score, keep and write.

    Returns:
        The results by name, scores being those of the best epoch on the validation texts.

    Raises:
        InputError: a file, a label, a setting or `out` does not fit, or the run to go on with has other settings or
            texts; the message says where.
        FloatingPointError: the loss became infinite or not a number.
        KeyboardInterrupt: Ctrl-C; the best epoch by then is kept and reported, the message says how to go on.
        Terminated: likewise for SIGTERM, see `kpt.errors`.
        OSError: a checkpoint could not be written; the one before it is whole.
    """
    begin = time.perf_counter()
    distribution = keras.distribution.distribution()
    if distribution is not None and distribution.num_processes > 1:
        raise InputError("fine-tuning on JAX runs in one process; use a mesh of its devices, or TensorFlow")
    settings = settings or FinetuneSettings()
    data, held_out = (read_files(files, settings) for files in (train, validation))
    random.seed(settings.seed)  # Keras draws the seeds of its initializers and dropouts from it, on every backend
    model = build_task(source, data, settings)
    config = config_of(source, model, data, held_out, settings)
    if resume and settings.lora_rank:
        raise InputError(
            "a run with lora_rank cannot go on, for Keras keeps adapters merged into the weights; start anew"
        )
    run = begun_run(Path(out), config, free=()) if resume else None
    begun = progress_folder(run) if run and progress_folder(run).steps else None
    choose_trained(model, settings)
    weights = text_weights(data, settings) if isinstance(data, LabelledTexts) else None
    examples = labelled_examples(
        model, data, weights=weights, seed=settings.seed, drawn_windows=settings.training_windows
    )
    batch_size, steps_per_epoch = settings.batch_size, examples.steps(settings.batch_size)
    steps = steps_per_epoch * settings.epochs
    checks = LabelledBatches(labelled_examples(model, held_out, shuffle=False), batch_size=batch_size, repeat=True)
    if run and not begun and (complete := complete_results(run, main_score(model), settings)):
        paths = {"run": str(run.path), "report": str(write_finetune_report(run.path))}
        return {**paths, **complete, "seconds": round(time.perf_counter() - begin, 1)}
    fitted = settings.probe and not begun and fit_head(model, examples)
    model.compile(optimizer=task_optimizer(model, settings, steps_per_epoch))
    step = begun.load_newest(into=model)[1] if begun else 0
    if run is None:  # what does not fit has been refused by now
        run = RunFolder.create(out, source.tokenizer, config, overwrite)

    scored = TaskValidation(run, checks, settings.epochs, settings.patience)
    if step:
        scored.restore(model, step)
    log = MetricsLog(
        run.metrics,
        every=max(1, min(20, steps // 150)),
        start_step=step,
        state=begun.state(step).get("log") if begun else None,
        tensorboard=run.tensorboard,
    )
    checkpoints = Checkpoints(progress_folder(run), checkpoint_interval(steps_per_epoch), start_step=step, log=log)
    shown = [TrainingProgress(steps, start_step=step)] if progress else []
    with kept_run(run, checkpoints, shown, lambda: finish(run, model, scored, held_out, examples)) as interruption:
        if fitted:  # it may be better than all that follows
            scored.set_model(model)
            scored.score(0)
        if not scored.ends(model):
            fit_steps(
                model,
                lambda start, count: LabelledBatches(
                    examples, batch_size=batch_size, steps=count, start_step=start, repeat=True
                ),
                start_step=step,
                steps=steps,
                interval=steps_per_epoch,
                log=log,
                callbacks=[scored, FiniteLoss(step), log, checkpoints, *shown, *callbacks, interruption],
                scored=True,
            )
    results = finish(run, model, scored, held_out, examples)
    drop_progress(run)
    return results | {"seconds": round(time.perf_counter() - begin, 1)}


def load_task_model(folder: str | os.PathLike[str], task: str | None = None) -> TaskModel:
    """Return the tuned model of a run folder, with its tokenizer, ready to `predict`.

    Args:
        folder: the run folder.
        task: of a run of several tasks, the name of the one that is wanted.

    Raises:
        InputError: it is no run folder, has no checkpoint, or is a run of another kind; or it has several tasks and
            none of the name.
    """
    run = RunFolder(folder)
    model = run.load(compile=False)
    if isinstance(model, MultiTask):
        if task not in model.tasks:
            wanted = "no task is named" if task is None else f"it has no task {task!r}"
            raise InputError(f"{run.path} has the tasks {', '.join(model.tasks)}, and {wanted}; name one of them")
        model = model.tasks[task]
    elif task is not None:
        raise InputError(f"{run.path} has one task alone, and {task!r} is asked for; leave the name out")
    if not isinstance(model, TaskModel):
        raise InputError(f"{run.path} has no task model, such as a classifier; give a run of `kpt finetune`")
    model.tokenizer = run.tokenizer
    return model


def read_files(files: Any, settings: FinetuneSettings) -> Labelled:
    """Return the labelled texts of files as the settings say; such as were read already as they are."""
    if isinstance(files, Labelled):
        return files
    if settings.task == "qa":
        return read_squad(files)
    if settings.glue is not None:
        return read_glue(settings.glue, files)
    if settings.task == "tag":
        return read_conll(files, column=settings.column, repair=settings.repair_tags)
    kind: Any = "number" if settings.task == "regress" else "several" if settings.multi_label else "single"
    return read_labelled(
        files,
        text_field=settings.text_field,
        pair_field=settings.pair_field,
        label_field=settings.label_field,
        labels=kind,
    )


def build_task(source: Source, data: Labelled, settings: FinetuneSettings) -> TaskModel:
    """Return the model to train, with a new head.

    Raises:
        InputError: the labels are fewer than two, all numbers are the same, or the model does not fit the settings.
    """
    names: tuple[str, ...] = ()
    if settings.task in ("classify", "tag"):
        assert not isinstance(data, Questions)
        try:
            names = (label_names if settings.task == "classify" else bio_tag_names)(data.labels)
        except InputError as error:
            raise InputError(f"{data.places[0]} to {data.places[-1]}: {error}") from error
    numbers = (
        np.asarray(data.labels, np.float64)
        if settings.task == "regress" and isinstance(data, LabelledTexts)
        else np.zeros(0)
    )
    if settings.task == "regress" and np.ptp(numbers) == 0:
        raise InputError(
            f"{data.places[0]} to {data.places[-1]}: all {len(numbers):,} numbers are {numbers[0]:g}; give texts with "
            "different ones"
        )
    backbone = source.backbone(settings)
    if source.tokenizer.vocabulary.size != backbone.vocabulary_size:
        raise InputError(
            f"the tokenizer has {source.tokenizer.vocabulary.size} pieces and the model {backbone.vocabulary_size}; "
            "give the tokenizer that the model was trained with"
        )
    options: dict[str, Any] = {
        "pooling": settings.pooling,
        "dropout": settings.dropout,
        "document_width": document_width(source, settings),
        "length": settings.length or min(LENGTH, backbone.maximum_length),
        "windows": settings.windows,
        "tokenizer": source.tokenizer,
    }
    if isinstance(data, Questions):
        # Where each question has an answer, the model is never silent.
        threshold = None if all(data.answers) else 0.0
        return QuestionAnswerer(backbone, settings.stride, settings.answer_words, threshold, **options)
    if settings.task == "tag":
        return Tagger(backbone, names, **options)
    if settings.task == "regress":
        model: TaskModel = Regressor(backbone, float(numbers.mean()), float(numbers.std()), **options)
    else:
        model = Classifier(backbone, names, settings.multi_label, **options)
    if model.document_width:
        model.document_vectors.kernel.assign(source.document_vectors)
    return model


def document_width(source: Source, settings: FinetuneSettings) -> int:
    """Return the width of the vectors by documents that a model reads; 0 where it has none to read, or is not to.

    A model that is to be as published ones are, with the vector of one token, does not read them.
    """
    if source.document_vectors is None or not settings.document_vectors:
        return 0
    read = settings.task in ("classify", "regress") and settings.pooling in ("mean", "distinct")
    return int(source.document_vectors.shape[1]) if read else 0


def text_weights(data: LabelledTexts, settings: FinetuneSettings) -> np.ndarray | None:
    r"""Return how much each text counts: :math:`n / (k n_y)` with n texts, k labels and n_y texts of its label.

    Returns:
        float32 [texts], of mean 1; None where all count the same.
    """
    if settings.class_weights == "none":
        return None
    names, numbers, counts = np.unique(np.asarray(data.labels, object), return_inverse=True, return_counts=True)
    return (len(data) / (len(names) * counts))[numbers].astype("float32")


def finish(
    run: RunFolder,
    model: TaskModel,
    scored: TaskValidation,
    held_out: Labelled,
    examples: LabelledExamples,
) -> dict[str, Any]:
    """Write the results and the report, also of a run that was interrupted after an epoch; returns the results."""
    if scored.best is None or scored.outputs is None:
        return {}
    truth = scored.batches.maker.truth
    speeds = sorted(len(examples.texts) / seconds for seconds in scored.seconds[1:] or scored.seconds)
    results = {
        "parameters": model.count_params(),
        "trained_parameters": trained_parameters(model),
        "texts": len(examples.texts),
        "texts_cut": examples.texts.cut,
        "validation_texts": len(held_out),
        "best_epoch": scored.best["epoch"],
        "epochs": sum(record["epoch"] > 0 for record in scored.epochs),
        **{name: value for name, value in scored.best.items() if name not in ("epoch", "step", "confusion")},
        **({"texts_per_second": round(speeds[len(speeds) // 2], 1)} if speeds else {}),
    }
    if isinstance(model, QuestionAnswerer):
        results["threshold"] = model.threshold
        results |= threshold_scores(truth, scored.outputs)
    elif label_kind(model) != "number":
        results["labels"] = list(getattr(model, "labels", ()))
    write_json(run.path / "errors.json", worst_errors(model, held_out, truth, scored.outputs))
    write_json(run.path / "results.json", results)
    return {"run": str(run.path), "report": str(write_finetune_report(run.path)), **results}
