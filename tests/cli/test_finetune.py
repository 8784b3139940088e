from __future__ import annotations

import json
from pathlib import Path

import pytest

from kpt.cli.main import main
from tests.training.small_finetuning import small_columns, small_files, small_run

SMALL = ["--epochs", "6", "--batch-size", "8", "--learning-rate", "1e-2", "--length", "16"]


def test_tune_then_evaluate(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = small_run(tmp_path / "bert")
    train, validation = small_files(tmp_path)
    files = ["--train", str(train), "--validation", str(validation), "--out", str(tmp_path / "tuned")]
    assert main(["finetune", "classify", "--from", str(run.path), *files, *SMALL, "--balance", "--json"]) == 0
    captured = capfd.readouterr()
    results = json.loads(captured.out)
    assert results["accuracy"] == 1 and results["report"] == str(tmp_path / "tuned" / "report.html")
    assert "held out after 18 steps:" in captured.err

    assert main(["evaluate", "--from", str(tmp_path / "tuned"), "--data", str(train), str(validation), "--json"]) == 0
    scores = json.loads(capfd.readouterr().out)
    assert scores["validation"]["macro_f1"] == 1 and scores["validation"]["intervals"]["macro_f1"] == [1, 1]
    assert (scores["train"]["texts"], scores["validation"]["texts"]) == (20, 10)

    def refused(*words: str) -> str:
        assert main(["finetune", "classify", *words]) == 2
        err = capfd.readouterr().err
        assert err.startswith("kpt finetune classify: ") and err.count("\n") == 1
        return err

    source = ["--from", str(run.path)]
    assert "is not empty; choose another --out" in refused(*source, *files)
    files[-1] = str(tmp_path / "other")
    assert "there is no model to tune" in refused(*files)
    assert "comes together with --size" in refused(*source, "--size", "tiny", *files)
    assert "needs both --size NAME and --tokenizer" in refused("--size", "tiny", *files)
    assert "line 1: no field 'stars' (fields: 'text'," in refused(*source, *files, "--label-field", "stars")
    assert "has no config.json; give a run folder" in refused("--from", str(tmp_path), *files)
    missing = [*source, *files]
    missing[missing.index(str(train))] = str(tmp_path / "missing.jsonl")
    assert "missing.jsonl does not exist" in refused(*missing)


def test_numbers_from_a_model_that_was_not_trained(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = small_run(tmp_path / "bert")
    train, validation = small_files(tmp_path)
    new = ["--size", "tiny", "--tokenizer", str(run.path / "tokenizer"), "--label-field", "score", "--epochs", "1"]
    files = ["--train", str(train), "--validation", str(validation), "--out", str(tmp_path / "tuned")]
    assert main(["finetune", "regress", *new, *files]) == 0
    assert "pearson" in capfd.readouterr().out


def test_tags_of_words(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = small_run(tmp_path / "bert")
    train, validation = small_columns(tmp_path)
    files = ["--train", str(train), "--validation", str(validation), "--out", str(tmp_path / "tuned")]
    assert main(["finetune", "tag", "--from", str(run.path), *files, *SMALL, "--column", "1", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["f1"] == 1
    assert main(["evaluate", "--from", str(tmp_path / "tuned"), "--data", str(validation), "--json"]) == 0
    scores = json.loads(capfd.readouterr().out)["validation"]
    assert scores["types"]["thing"] == {"f1": 1, "precision": 1, "recall": 1, "entities": 20}
    (tmp_path / "a.txt").write_text("a poor song\n")
    assert main(["predict", "--from", str(tmp_path / "tuned"), str(tmp_path / "a.txt")]) == 0
    (entity,) = json.loads(capfd.readouterr().out)["entities"]
    assert (entity["text"], entity["begin"], entity["end"]) == ("poor song", 2, 11)
    validation.write_text("a\tI-thing\n")
    files[-1] = str(tmp_path / "other")
    assert main(["finetune", "tag", "--from", str(run.path), *files]) == 2
    assert "line 1: the tag 'I-thing' after 'O' continues no entity" in capfd.readouterr().err
