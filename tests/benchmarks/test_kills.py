"""A run that is killed in a step, in an evaluation and while it writes a checkpoint ends as if it had not been."""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import pytest

from benchmarks.kills import differences, draw, main
from benchmarks.kills_processes import KINDS, Moment
from kpt.text import WordTokenizer
from kpt.training import RunFolder

MOMENTS = ("step:6", "evaluation:2", "checkpoint:2")


def test_three_kills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    main(["--tiny", "--moments", *MOMENTS, "--out", str(tmp_path / "kills.json")])
    (result,) = json.loads((tmp_path / "kills.json").read_text())["results"]
    assert [(row["kind"], row["killed"]) for row in result["kills"]] == [(kind, True) for kind in KINDS]
    assert 11 not in result["kills"][-1]["checkpoints"]
    assert result["different"] == []
    assert "3 kills by SIGKILL; different from the uninterrupted run: nothing" in capsys.readouterr().out


def test_one_of_two_workers_is_killed_and_both_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The other one is not left waiting for it, and says why it ends.

    They go on in the middle of an epoch, where each has counted another part of the metrics.
    """
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    words = ["--models", "bert", "--workers", "2", "--tiny", "--moments", "checkpoint:3"]
    main([*words, "--out", str(tmp_path / "kills.json")])
    (result,) = json.loads((tmp_path / "kills.json").read_text())["results"]
    assert [(row["worker"], row["killed"], row["checkpoints"]) for row in result["kills"]] == [(0, True, [4, 5])]
    assert result["different"] == []
    assert "worker 1: another host has ended or cannot be reached" in capfd.readouterr().err


def test_what_is_different_is_named(tmp_path: Path) -> None:
    import keras

    runs = []
    for name, line in (("one", '{"step": 1, "loss": 1.0}\n'), ("other", '{"step": 1, "loss": 2.0}\n')):
        keras.utils.set_random_seed(len(runs))
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1), keras.layers.Dropout(0.5)])
        run = RunFolder.create(tmp_path / name, WordTokenizer.train(["a b a b"], minimum_frequency=1), {})
        run.save(model, 1)
        run.metrics.write_text(line)
        runs.append(run.path)
    assert differences(runs[0], runs[0]) == []
    weights, *rest = differences(*runs)
    assert weights.endswith("dense/vars/0") and rest == ["metrics.jsonl", "random numbers"]
    RunFolder(runs[1]).save(model, 2)
    assert differences(*runs) == ["step"]


def test_moments() -> None:
    assert Moment.read("step:3") == Moment("step", 3, 0.0)
    assert Moment.read("checkpoint:2:0.05") == Moment("checkpoint", 2, 0.05)
    with pytest.raises(argparse.ArgumentTypeError, match="'sleep' is none of step, evaluation, checkpoint"):
        Moment.read("sleep:1")
    generator = random.Random(0)
    drawn = [draw(generator, kind, 0.1) for kind in KINDS for _ in range(50)]
    assert {moment.kind for moment in drawn} == set(KINDS)
    assert all(moment.count >= 1 and 0 <= moment.seconds <= 0.1 for moment in drawn)
    assert max(moment.count for moment in drawn if moment.kind == "checkpoint") == 3
