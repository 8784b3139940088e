from __future__ import annotations

import argparse
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from kpt import InputError
from kpt.cli.export import one_task
from kpt.cli.main import main
from tests.training.small_finetuning import small_columns, small_files, small_run

SMALL = ["--epochs", "1", "--batch-size", "8", "--learning-rate", "1e-2", "--length", "16", "--windows", "1"]
TASKS = """
[mood]
task = "classify"
train = "train.jsonl"
validation = "validation.jsonl"

[score]
task = "regress"
train = "train.jsonl"
validation = "validation.jsonl"
label_field = "score"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tasks")
    small_run(folder / "bert")
    small_files(folder)
    small_columns(folder)
    (folder / "tasks.toml").write_text(TASKS)
    return folder


def test_tune_evaluate_predict_and_export_a_task(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tuned = str(folder / "tuned")
    source = ["--from", str(folder / "bert"), "--tasks", str(folder / "tasks.toml")]
    assert main(["finetune", "multi-task", *source, "--out", tuned, *SMALL, "--temperature", "2", "--json"]) == 0
    captured = capfd.readouterr()
    results = json.loads(captured.out)
    assert json.loads((folder / "tuned" / "config.json").read_text())["training"]["probe"] is True
    assert set(results["tasks"]) == {"mood", "score"} and "6 steps" in captured.err

    data = ["--data", str(folder / "validation.jsonl")]
    assert main(["evaluate", "--from", tuned, "--task", "score", *data, "--json"]) == 0
    scores = json.loads(capfd.readouterr().out)["validation"]
    assert scores["pearson"] == pytest.approx(results["tasks"]["score"]["pearson"], abs=1e-4)
    assert main(["evaluate", "--from", tuned, *data]) == 2
    assert "has the tasks mood, score, and no task is named; name one of them" in capfd.readouterr().err
    assert main(["evaluate", "--from", str(folder / "bert"), "--task", "mood", *data]) == 2
    assert "--task is for a run of several tasks" in capfd.readouterr().err

    assert main(["predict", "--from", tuned, "--task", "mood", str(folder / "validation.jsonl")]) == 0
    told = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert len(told) == 10 and {"label", "probabilities"} == set(told[0])
    assert main(["predict", "--from", tuned, "--task", "moods", str(folder / "validation.jsonl")]) == 2
    assert "it has no task 'moods'" in capfd.readouterr().err

    assert main(["export", "--from", tuned, "--task", "moods", "--to", str(folder / "served")]) == 2
    assert "has the tasks mood, score, and 'moods' is asked for" in capfd.readouterr().err
    assert main(["export", "--from", tuned, "--format", "huggingface", "--to", str(folder / "hf")]) == 2
    assert "has several tasks, and such a folder has one; name it with --task" in capfd.readouterr().err


def test_tasks_one_after_another(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["finetune", "continual", "--from", str(folder / "bert"), "--tasks", str(folder / "tasks.toml")]
    small = [*SMALL, "--out", str(folder / "continual"), "--replay-texts", "6", "--json"]
    assert main([*words, *small, "--no-probe", "--no-document-vectors"]) == 0
    settings = json.loads((folder / "continual" / "config.json").read_text())["tasks"]["mood"]
    assert settings["probe"] is settings["document_vectors"] is False
    results = json.loads(capfd.readouterr().out)
    assert results["method"] == "replay" and len(results["matrix"]) == 2
    assert main([*words, *small]) == 2
    assert "is not empty; choose another --out" in capfd.readouterr().err
    words[-1] = str(folder / "missing.toml")
    assert main([*words, *small]) == 2
    err = capfd.readouterr().err
    assert err.startswith("kpt finetune continual: ") and "missing.toml cannot be read" in err


def test_the_task_that_is_exported() -> None:
    model, score = SimpleNamespace(tasks={"mood": object(), "score": object()}), object()
    assert one_task(model, argparse.Namespace(task=None, source="run")) is model
    assert one_task(model, argparse.Namespace(task="mood", source="run")) is model.tasks["mood"]
    with pytest.raises(InputError, match="run is no run of several tasks, and 'mood' is asked for"):
        one_task(score, argparse.Namespace(task="mood", source="run"))
