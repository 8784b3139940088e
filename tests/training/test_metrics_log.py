from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import keras
import numpy as np
import pytest

from kpt import InputError
from kpt.training.metrics_log import MetricsLog, learning_rates, read_metrics


def small_model(learning_rate: object = 0.25) -> keras.Model:
    """One weight, which starts at 2, for the input 1 and the target 0: the loss is its square."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")])
    model.layers[0].set_weights([np.array([[2.0]], np.float32)])
    model.compile(keras.optimizers.SGD(learning_rate), loss="mse")
    return model


def fit(model: keras.Model, log: MetricsLog, steps: int, epochs: int = 1, held_out: bool = False) -> None:
    x, y = np.ones((steps, 1), np.float32), np.zeros((steps, 1), np.float32)
    validation = (x[:1], y[:1]) if held_out else None
    model.fit(x, y, batch_size=1, epochs=epochs, shuffle=False, verbose=0, callbacks=[log], validation_data=validation)


def test_lines_hold_the_means_between_them(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl", every=2, tokens_per_step=100)
    fit(small_model(), log, steps=6)  # each step halves the weight: losses 4, 1, 1/4, 1/16, 1/64, 1/256
    lines = read_metrics(tmp_path / "metrics.jsonl")
    assert [line["step"] for line in lines] == [1, 3, 5, 6]
    assert [line["split"] for line in lines] == ["train"] * 4
    assert [line["loss"] for line in lines] == pytest.approx([4, 5 / 8, 5 / 128, 1 / 256], abs=1e-5)
    assert [line["learning_rate"] for line in lines] == [0.25] * 4
    assert "tokens_per_second" not in lines[0]
    assert all(line["tokens_per_second"] > 0 for line in lines[1:])
    assert all(before["seconds"] <= after["seconds"] for before, after in pairwise(lines))


def test_held_out_documents_have_their_own_lines(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl", every=100)
    fit(small_model(), log, steps=2, epochs=2, held_out=True)
    lines = read_metrics(tmp_path / "metrics.jsonl")
    assert [(line["step"], line["split"]) for line in lines] == [
        (1, "train"),
        (2, "train"),
        (2, "heldout"),
        (4, "train"),
        (4, "heldout"),
    ]
    assert lines[2]["loss"] == pytest.approx(0.25)
    assert lines[4]["loss"] == pytest.approx(1 / 64)
    assert lines[3]["loss"] == pytest.approx((1 / 4 + 1 / 16) / 2)


def test_the_learning_rate_is_that_of_the_step(tmp_path: Path) -> None:
    schedule = keras.optimizers.schedules.PolynomialDecay(1.0, 4, end_learning_rate=0.0)
    model = small_model(schedule)
    assert [learning_rates(model)(step) for step in range(5)] == pytest.approx([1.0, 0.75, 0.5, 0.25, 0.0])
    fit(model, MetricsLog(tmp_path / "metrics.jsonl", every=1), steps=3)
    lines = read_metrics(tmp_path / "metrics.jsonl")
    assert [line["learning_rate"] for line in lines] == pytest.approx([1.0, 0.75, 0.5])


def test_going_on_drops_what_the_dead_run_wrote_after_its_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    fit(small_model(), MetricsLog(path, every=1), steps=4)
    seconds = read_metrics(path)[1]["seconds"]
    with path.open("a", encoding="utf-8") as file:
        file.write('{"step": 5, "spl')
    fit(small_model(), MetricsLog(path, every=1, start_step=2), steps=2)
    lines = read_metrics(path)
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert lines[2]["seconds"] >= seconds


def test_a_loss_that_is_no_number_is_null(tmp_path: Path) -> None:
    model = small_model()
    model.layers[0].set_weights([np.array([[np.nan]], np.float32)])
    fit(model, MetricsLog(tmp_path / "metrics.jsonl"), steps=1)
    assert json.loads((tmp_path / "metrics.jsonl").read_text(encoding="utf-8"))["loss"] is None


def test_tensorboard_reads_the_event_files(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl", every=1, tensorboard=tmp_path / "tensorboard")
    fit(small_model(), log, steps=2, held_out=True)
    scalars = read_scalars(tmp_path / "tensorboard")
    assert [step for step, _ in scalars["train/loss"]] == [1, 2]
    assert [value for _, value in scalars["train/loss"]] == pytest.approx([4, 1])
    assert scalars["heldout/loss"] == [(2, pytest.approx(0.25))]
    assert [value for _, value in scalars["train/learning_rate"]] == [0.25, 0.25]


def read_scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """The scalars of event files: records of a length, its checksum, the data, its checksum."""
    from tensorboardX.proto.event_pb2 import Event

    scalars: dict[str, list[tuple[int, float]]] = {}
    for path in folder.glob("events.out.tfevents.*"):
        data = path.read_bytes()
        while data:
            size = int.from_bytes(data[:8], "little")
            event = Event.FromString(data[12 : 12 + size])
            data = data[16 + size :]
            for value in event.summary.value:
                scalars.setdefault(value.tag, []).append((event.step, value.simple_value))
    return scalars


@pytest.mark.parametrize("text", ["no json\n{}\n", '{"split": "train"}\n\n', "[1]\n\n"])
def test_a_damaged_line_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"metrics\.jsonl, line 1 is not a line of metrics"):
        read_metrics(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no .*metrics\.jsonl; pre-train"):
        read_metrics(tmp_path / "metrics.jsonl")


def test_every_is_at_least_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="every is 0"):
        MetricsLog(tmp_path / "metrics.jsonl", every=0)


def test_it_goes_on_in_the_middle_of_an_epoch(tmp_path: Path) -> None:
    whole, path = tmp_path / "whole.jsonl", tmp_path / "metrics.jsonl"
    fit(small_model(), MetricsLog(whole, every=4), steps=10)
    model, log = small_model(), MetricsLog(path, every=4)
    fit_first(model, log, steps=3)
    state = json.loads(json.dumps(log.state()))
    assert (state["interval_start"], state["epoch_start"], state["means"]["batches"]) == (1, 0, 1)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:1]))  # its last is of the end of `fit`

    fit(model, MetricsLog(path, every=4, start_step=3, state=state), steps=7)
    lines, expected = ([{**line, "seconds": 0} for line in read_metrics(one)] for one in (path, whole))
    assert [line["step"] for line in lines] == [1, 5, 9, 10]
    assert lines == expected


def fit_first(model: keras.Model, log: MetricsLog, steps: int) -> None:
    """Train for some steps and keep what the log is after the last, before the end of the epoch."""
    state: dict[str, object] = {}

    class Keep(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            state.update(log.state())

    x, y = np.ones((steps, 1), np.float32), np.zeros((steps, 1), np.float32)
    model.fit(x, y, batch_size=1, shuffle=False, verbose=0, callbacks=[log, Keep()])
    log.state = lambda: state  # type: ignore[method-assign]
