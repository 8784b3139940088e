from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

import kpt.training.word2vec
from kpt import InputError
from kpt.cli.output import Output
from kpt.cli.pretrain_word2vec import add_arguments, run
from kpt.distribution import Devices
from kpt.training import Word2VecSettings
from kpt.vectors import WordVectors
from tests.training.word_store import word_store


def call(*words: str | Path) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    arguments = parser.parse_args([*map(str, words)])
    assert arguments.run is run
    return run(arguments, Output())


def test_the_arguments_become_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    def pretrain(*words: Any, **options: Any) -> dict[str, Any]:
        calls.append((words, options))
        return {"words": 7}

    monkeypatch.setattr(kpt.training.word2vec, "pretrain_word2vec", pretrain)
    values = {
        "data": "store",
        "out": tmp_path / "run",
        "architecture": "cbow",
        "width": 300,
        "window": 8,
        "negatives": 10,
        "sample": 0,
        "epochs": 2,
        "batch-size": 4,
        "length": "1,024",
        "learning-rate": "1e-2",
        "checkpoint-every": 50,
        "keep": 3,
        "seed": 5,
    }
    words = [word for name, value in values.items() for word in (f"--{name}", str(value))]
    assert call(*words, "--shuffle") == {"words": 7}
    ((data, out, settings), options) = calls[0]
    assert (data, out) == (Path("store"), tmp_path / "run")
    assert settings == Word2VecSettings(
        architecture="cbow",
        width=300,
        window=8,
        negatives=10,
        sample=0.0,
        epochs=2,
        batch_size=4,
        length=1024,
        learning_rate=1e-2,
        shuffle=True,
        checkpoint_every=50,
        keep=3,
        seed=5,
    )
    assert options.pop("devices") == Devices()
    assert options == {"source": None, "resume": False, "overwrite": False, "progress": True}
    call("--data", "store", "--out", tmp_path / "other")
    assert calls[1][0][2] == Word2VecSettings()


def test_from_a_store_to_vectors(tmp_path: Path) -> None:
    store = word_store(tmp_path / "store").folder
    words = ["--data", store, "--out", tmp_path / "run", "--width", "8", "--epochs", "1", "--sample", "0"]
    results = call(*words)
    assert len(WordVectors.load(results["vectors"])) == results["vocabulary_size"] - 1 == 24
    with pytest.raises(InputError, match="is not empty"):
        call(*words)


def test_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        call("--data", "store", "--out", "run", "--sample", "-1")
    assert "'-1' is not a number from 0 up" in capsys.readouterr().err
    with pytest.raises(InputError, match="multiple of 16"):
        call("--data", "store", "--out", tmp_path / "run", "--length", "100")
    with pytest.raises(InputError, match="is no token store"):
        call("--data", tmp_path, "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()
