from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest

from kpt.layers import Dropout  # that of Keras on PyTorch draws from a state of the process
from kpt.text import WordTokenizer
from kpt.training.checkpoints import Checkpoints
from kpt.training.interruption import Interruption
from kpt.training.metrics_log import MetricsLog
from kpt.training.run_folder import RunFolder
from kpt.training.steps import fit_steps, parts

STEPS, INTERVAL = 10, 4


class Whole(NamedTuple):
    run: RunFolder
    model: keras.Model
    lines: list[dict[str, Any]]


def test_the_parts_end_where_evaluations_are() -> None:
    assert parts(0, 10, 4) == [(0, 10)]
    assert parts(1, 10, 4) == [(1, 4), (4, 10)]
    assert parts(4, 10, 4) == [(4, 10)]
    assert parts(5, 7, 4) == [(5, 7)]
    assert parts(8, 8, 4) == []


class Numbers(keras.utils.PyDataset):
    """A batch for each step, other ones for other steps."""

    def __init__(self, start: int, count: int) -> None:
        super().__init__()
        self.start, self.count = start, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if index >= self.count:
            raise IndexError
        x = np.random.default_rng(self.start + index).normal(size=(4, 3)).astype(np.float32)
        return x, x.sum(axis=1, keepdims=True)


class Stop(keras.callbacks.Callback):
    """Sends a signal at the end of a step, or of an evaluated batch, of the process."""

    def __init__(self, step: int = 0, evaluated: int = 0) -> None:
        super().__init__()
        self.step, self.evaluated = step, evaluated

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.step -= 1
        if self.step == 0:
            signal.raise_signal(signal.SIGINT)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self.evaluated -= 1
        if self.evaluated == 0:
            signal.raise_signal(signal.SIGINT)


def train(run: RunFolder, stop: Stop | None = None) -> keras.Model:
    """Begin a run, or go on with it."""
    if run.step:
        model, step = run.load_newest()
    else:
        keras.utils.set_random_seed(1)
        hidden = [keras.layers.Dense(4, activation="tanh"), Dropout(0.2), keras.layers.Dense(1)]
        model, step = keras.Sequential([keras.Input((3,)), *hidden]), 0
        model.compile(keras.optimizers.Adam(0.05), loss="mse", run_eagerly=True)
    log = MetricsLog(run.metrics, every=2, start_step=step, state=run.state(step).get("log") if step else None)
    checkpoints = Checkpoints(run, every=3, start_step=step, log=log)
    with Interruption() as interruption:
        try:
            fit_steps(
                model,
                Numbers,
                start_step=step,
                steps=STEPS,
                interval=INTERVAL,
                log=log,
                callbacks=[log, checkpoints, *([stop] if stop else []), interruption],
                validation=Numbers(100, 2),
            )
        except KeyboardInterrupt:
            assert interruption.heard
            checkpoints.save()
            checkpoints.wait()
    return model


def lines(run: RunFolder) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    return [{name: value for name, value in record.items() if name != "seconds"} for record in records]


def new_run(folder: Path) -> RunFolder:
    return RunFolder.create(folder, WordTokenizer.train(["a b a b"], minimum_frequency=1), {})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    run = new_run(tmp_path_factory.mktemp("runs") / "whole")
    model = train(run)
    assert [(line["step"], line["split"]) for line in lines(run)] == [
        *((1, "train"), (3, "train"), (4, "train"), (4, "heldout")),
        *((6, "train"), (8, "train"), (8, "heldout"), (10, "train"), (10, "heldout")),
    ]
    return Whole(run, model, lines(run))


@pytest.mark.parametrize(
    ("stops", "steps"),
    [
        ([Stop(step=3), Stop(step=1)], [3, 4]),
        ([Stop(step=6), Stop(evaluated=1), Stop(evaluated=2)], [6, 8, 8]),
        ([Stop(step=9), Stop(evaluated=1)], [9, 10]),
    ],
)
def test_a_run_that_stops_goes_on_as_if_it_had_not(
    whole: Whole, tmp_path: Path, stops: list[Stop], steps: list[int]
) -> None:
    run = new_run(tmp_path / "stopped")
    for stop, step in zip(stops, steps, strict=True):
        train(run, stop)
        assert run.step == step
    model = train(run)
    assert lines(run) == whole.lines
    for value, other in zip(model.variables, whole.model.variables, strict=True):
        np.testing.assert_array_equal(value.numpy(), other.numpy())
    assert run.steps[-1] == whole.run.steps[-1] == STEPS
    before = run.metrics.read_bytes()
    train(run)  # a complete one is left as it is
    assert run.metrics.read_bytes() == before


def test_what_a_kill_left_in_part_is_written_again(whole: Whole, tmp_path: Path) -> None:
    run = new_run(tmp_path / "killed")
    train(run, Stop(evaluated=1))  # saved after step 4, before its lines
    for torn in ("", '{"step": 4, "split": "train", "seconds": 1.0, "loss": 5.0}\n', '{"step": 4, "spl'):
        with run.metrics.open("a") as file:
            file.write(torn)
        train(run, Stop(step=1))
        assert run.step == 5
        assert lines(run) == [line for line in whole.lines if line["step"] <= 4]
        shutil.rmtree(run.checkpoint(5))
        text = run.metrics.read_text().splitlines(keepends=True)
        run.metrics.write_text("".join(line for line in text if json.loads(line)["step"] < 4))
