"""A step of a run once more: its batch, its losses and its gradient, for one that went wrong."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kpt.data import Batches
from kpt.distribution import Devices
from kpt.errors import InputError
from kpt.text import Tokenizer
from kpt.training.metrics_log import learning_rates
from kpt.training.optimizers import last_gradient_norm
from kpt.training.pretraining import Pretraining, begun_run, build_model, config_of
from kpt.training.pretraining_data import Data, batches_of

__all__ = ["replay"]

#: Characters of a row's text that are shown.
SHOWN = 120


def replay(
    task: Pretraining,
    data: Data,
    out: str | os.PathLike[str],
    step: int,
    devices: Devices | None = None,
) -> dict[str, Any]:
    """Do a step of a run once more, from the newest checkpoint before it, and tell all about it.

    Nothing is written. As far as the backend computes the same twice, as on one CPU, the losses are those of the run.

    Args:
        task: what was trained, with its settings.
        data: folder of the token store, or a `RecordSource`.
        out: the run folder.
        step: which, from 1.
        devices: what to train on; by default one device.

    Returns:
        By name: `step`, `checkpoint` (the steps after which it began), the losses and accuracies of that batch alone,
        `gradient_norm` (before clipping), `learning_rate`, `weights_finite` (whether all of them are numbers after the
        step), and `rows`: for each example the numbers of its `documents` in the store, its `loss` before the step,
        without dropout, and the beginning of its `text`. Of masked records
        it is their own numbers. What is no finite number is None.

    Raises:
        InputError: there is no such run, it has other settings, or no such step.
    """
    settings, devices = task.settings, devices or Devices()
    if devices.host_count > 1:
        raise InputError("a step is replayed on one host; call it without the cluster")
    if not 1 <= step <= settings.steps:
        raise InputError(f"there is no step {step} to replay; the run has those from 1 to {settings.steps}")
    opened = task.open(data)
    run = begun_run(Path(out), config_of(task, opened))
    if run is None:
        raise InputError(f"there is no run in {out} to replay a step of")
    examples = task.examples(opened.train)
    with devices.scope():
        random.seed(settings.seed)  # as in the run: Keras draws the seeds of its initializers and dropouts from it
        before = [other for other in run.steps if other < step]
        if not before and "from" in run.config:
            raise InputError(
                f"the run {run.path} began with the weights of {run.config['from']}, and has no checkpoint before step "
                f"{step}; replay one after step {min(run.steps, default=settings.steps)}"
            )
        model, start = run.load_newest(before=step) if before else (build_model(task, opened.tokenizer.vocabulary), 0)

        def batches(first: int, count: int) -> Batches:
            options: dict[str, Any] = {"batch_size": settings.batch_size, "repeat": True}
            return batches_of(examples, model, steps=count, start_step=first, **options)

        if start < step - 1:
            model.fit(batches(start, step - 1 - start), shuffle=False, verbose=0)
        batch = batches(step - 1, 1).batch(step - 1)
        losses = row_losses(model, batch)
        logs = model.fit(batches(step - 1, 1), shuffle=False, verbose=0).history
        values = {name: finite(value[-1]) for name, value in logs.items()}
        norm, rate = last_gradient_norm(model), learning_rates(model)(step - 1)
        weights = all(np.isfinite(keras.ops.convert_to_numpy(each)).all() for each in model.trainable_variables)
    documents = examples.documents(step - 1, settings.batch_size)
    texts = row_texts(opened.tokenizer, batch)
    rows = [
        {"documents": numbers, "loss": finite(loss), "text": text}
        for numbers, loss, text in zip(documents, losses, texts, strict=True)
    ]
    return {
        "step": step,
        "checkpoint": start,
        **values,
        "gradient_norm": None if norm is None else finite(norm),
        "learning_rate": rate,
        "weights_finite": bool(weights),
        "rows": rows,
    }


def row_losses(model: Any, batch: dict[str, np.ndarray]) -> list[float]:
    """Return the weighted mean loss of each row, all objectives' together, without dropout."""
    predictions = model.predict_on_batch(batch)
    total = np.zeros(len(batch["token_ids"]))
    for objective in model.objectives:
        found = objective.losses_and_hits(batch, predictions[objective.name])
        losses, _, weights = (keras.ops.convert_to_numpy(each).astype(np.float64) for each in found)
        losses, weights = (each.reshape(len(total), -1) for each in (losses, weights))
        shares = np.where(weights > 0, losses * weights, 0.0).sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-9)
        total += objective.weight * shares
    return [float(each) for each in total]


def row_texts(tokenizer: Tokenizer, batch: dict[str, np.ndarray]) -> list[str]:
    """Return the beginning of each row's text, as the model sees it."""
    mask = batch.get("padding_mask", np.ones(batch["token_ids"].shape, bool))
    texts = (tokenizer.decode(ids[shown].tolist()) for ids, shown in zip(batch["token_ids"], mask, strict=True))
    return [text if len(text) <= SHOWN else text[:SHOWN] + "..." for text in texts]


def finite(value: float) -> float | None:
    """Return a number, or None where it is none that JSON has."""
    return float(value) if np.isfinite(value) else None
