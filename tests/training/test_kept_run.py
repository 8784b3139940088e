from __future__ import annotations

import signal
from pathlib import Path
from typing import Any, cast

import keras
import pytest

from kpt.errors import Terminated
from kpt.text import WordTokenizer
from kpt.training.kept_run import kept_run
from kpt.training.metrics_log import MetricsLog
from kpt.training.run_folder import RunFolder


class Parts:
    """What surrounds `fit`, and notes what is asked of it."""

    def __init__(self, folder: Path, failing: str | None = None) -> None:
        self.run = RunFolder.create(folder / "run", WordTokenizer.train(["a b a b"], minimum_frequency=1), {})
        self.asked: list[str] = []
        self.step, self.failing = 12, failing
        self.log: MetricsLog | None = None

    def note(self, name: str) -> None:
        self.asked.append(name)
        if name == self.failing:
            raise OSError(name)

    def save(self) -> None:
        self.note("save")

    def wait(self) -> None:
        self.note("wait")

    def close(self) -> None:
        self.note("close")

    def kept(self) -> Any:
        checkpoints: Any = self
        return kept_run(self.run, checkpoints, [checkpoints], lambda: self.note("report"), lambda: self.note("keep"))


def test_the_log_is_closed_also_where_fit_did_not_end(tmp_path: Path) -> None:
    parts, model = Parts(tmp_path), keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    parts.log = log = MetricsLog(tmp_path / "metrics.jsonl", every=1, tensorboard=tmp_path / "events")
    with pytest.raises(FloatingPointError), parts.kept():
        log.set_model(model)
        log.on_train_begin()
        raise FloatingPointError
    assert log._file is None and log._events is None


def test_a_run_that_comes_to_its_end_is_left_to_itself(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    with parts.kept():
        pass
    assert parts.asked == ["close"]


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)], ids=["ctrl-c", "sigterm"]
)
@pytest.mark.parametrize("after_the_last_step", [False, True])
def test_an_interrupted_run_is_kept(number: int, error: Any, after_the_last_step: bool, tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    with pytest.raises(error) as raised, parts.kept() as interruption:
        signal.raise_signal(number)
        if not after_the_last_step:
            interruption.on_train_batch_end(0)
    assert parts.asked == ["close", "save", "wait", "keep", "report"]
    assert str(raised.value) == (
        f"interrupted after step 12, of which {parts.run.path} has a checkpoint; go on with the same command and "
        "--resume"
    )


def test_the_other_hosts_are_waited_for_when_all_is_kept(tmp_path: Path) -> None:
    class Others:
        """Hosts of which one has had a SIGTERM."""

        def largest(self, wanted: int) -> int:
            return 2

        def wait(self) -> None:
            parts.note("hosts")

    parts, others = Parts(tmp_path), Others()
    with pytest.raises(Terminated), parts.kept() as interruption:
        interruption._vote = cast(Any, others)
        interruption.on_train_batch_end(0)
    assert parts.asked == ["close", "save", "wait", "keep", "report", "hosts"]


def test_the_second_signal_ends_at_once(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    with pytest.raises(KeyboardInterrupt), parts.kept():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
    assert parts.asked == ["close"]


def test_the_second_signal_ends_the_saving_too(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    parts.wait = lambda: signal.raise_signal(signal.SIGINT)  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt), parts.kept() as interruption:
        signal.raise_signal(signal.SIGINT)
        interruption.on_train_batch_end(0)
    assert parts.asked == ["close", "save"]


@pytest.mark.parametrize("failing", [None, "wait", "report"])
def test_a_run_that_fails_is_reported_and_its_error_told(failing: str | None, tmp_path: Path) -> None:
    parts = Parts(tmp_path, failing)
    with pytest.raises(FloatingPointError, match="the loss is nan"), parts.kept():
        raise FloatingPointError("the loss is nan")
    assert parts.asked == ["close", "wait", "report"]


def test_an_interruption_whose_checkpoint_cannot_be_written_says_so(tmp_path: Path) -> None:
    parts = Parts(tmp_path, "wait")
    with pytest.raises(OSError, match="wait"), parts.kept() as interruption:
        signal.raise_signal(signal.SIGTERM)
        interruption.on_train_batch_end(0)
