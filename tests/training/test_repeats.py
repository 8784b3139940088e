from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import pytest

from kpt import InputError
from kpt.training.finetune_settings import FinetuneSettings
from kpt.training.finetune_sources import trained_source
from kpt.training.repeats import finetune_repeats, mean_and_deviation
from kpt.training.run_folder import RunFolder
from tests.training.small_finetuning import small_files, small_run

SETTINGS = FinetuneSettings(epochs=1, batch_size=8, learning_rate=1e-2, length=16, seed=5, probe=False)


def test_the_best_of_several_is_kept_and_all_are_told(tmp_path: Path) -> None:
    source, files = trained_source(small_run(tmp_path / "bert").path), small_files(tmp_path)
    results = finetune_repeats(source, *files, tmp_path / "runs" / "tuned", SETTINGS, repeats=2)
    runs = results["repeats"]["runs"]
    assert [run["seed"] for run in runs] == [5, 6] and runs[0]["loss"] != runs[1]["loss"]
    best = max(runs, key=lambda run: (run["macro_f1"], -run["loss"]))
    assert (results["seed"], results["loss"]) == (best["seed"], best["loss"])
    losses = [run["loss"] for run in runs]
    assert results["repeats"]["mean"]["loss"] == pytest.approx(sum(losses) / 2, abs=1e-6)
    assert results["repeats"]["deviation"]["loss"] == pytest.approx(abs(losses[0] - losses[1]) / 2**0.5, abs=1e-6)
    run = RunFolder(results["run"])
    assert run.path == tmp_path / "runs" / "tuned" and run.config["training"]["seed"] == best["seed"]
    assert json.loads((run.path / "results.json").read_text())["repeats"] == results["repeats"]
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "<h2>Repeats</h2>" in page and "mean ± deviation" in page and ": tuned</h1>" in page
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["tuned"]
    with pytest.raises(InputError, match="tuned exists already"):
        finetune_repeats(source, *files, run.path, SETTINGS, repeats=2)


def test_an_interruption_keeps_what_was_complete(tmp_path: Path) -> None:
    source, files = trained_source(small_run(tmp_path / "bert").path), small_files(tmp_path)
    epochs: list[int] = []

    def stop(epoch: int, logs: Any) -> None:
        epochs.append(epoch)
        if len(epochs) == 2:
            raise KeyboardInterrupt

    callbacks = [keras.callbacks.LambdaCallback(on_epoch_begin=stop)]
    with pytest.raises(KeyboardInterrupt, match="the best of 1 repeats, seed 5"):
        finetune_repeats(source, *files, tmp_path / "tuned", SETTINGS, repeats=3, callbacks=callbacks)
    assert RunFolder(tmp_path / "tuned").config["training"]["seed"] == 5
    with pytest.raises(InputError, match="repeats is 0"):
        finetune_repeats(source, *files, tmp_path / "other", SETTINGS, repeats=0)


def test_mean_and_deviation_of_the_scores() -> None:
    runs = [{"seed": seed, "loss": 1.0, "accuracy": accuracy} for seed, accuracy in enumerate((0.5, 0.6, 0.7))]
    assert mean_and_deviation(runs) == {
        "mean": {"loss": 1.0, "accuracy": 0.6},
        "deviation": {"loss": 0.0, "accuracy": 0.1},
    }
    assert mean_and_deviation(runs[:1]) == {"mean": {"loss": 1.0, "accuracy": 0.5}}
