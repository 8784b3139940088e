from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import keras
import pytest

from kpt.cli.evaluate_task import TASK_KINDS
from kpt.cli.main import main
from kpt.tasks import Classifier
from kpt.training.finetune_config import KINDS
from kpt.training.finetune_settings import FinetuneSettings
from kpt.training.joint_tasks import KIND
from kpt.training.run_folder import RunFolder
from tests.tasks.small_task import small_encoder, small_tokenizer
from tests.training.small_finetuning import small_files, small_run


def test_every_kind_of_task_has_its_evaluation() -> None:
    assert set(TASK_KINDS) == {*KINDS.values(), KIND}


def test_a_run_of_another_kind_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = small_run(tmp_path / "bert")
    config = (run.path / "config.json").read_text()
    (run.path / "config.json").write_text(config.replace('"title"', '"kind": "classifier", "title"'))
    _, validation = small_files(tmp_path)
    assert main(["evaluate", "--from", str(run.path), "--data", str(validation)]) == 2
    assert "has no settings of a fine-tuning" in capfd.readouterr().err
    (run.path / "config.json").write_text(config)
    for name in ("group", "flips"):
        assert main(["evaluate", "--from", str(run.path), "--data", str(validation), f"--{name}", "x"]) == 2
        assert f"--{name} is for a tuned model" in capfd.readouterr().err


def test_the_scores_of_groups(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    keras.utils.set_random_seed(0)
    tokenizer = small_tokenizer()
    settings = {"training": asdict(FinetuneSettings(length=16)), "kind": "classifier"}
    run = RunFolder.create(tmp_path / "tuned", tokenizer, settings)
    model = Classifier(small_encoder(tokenizer), ["neg", "pos"], tokenizer=tokenizer, length=16)
    model.compile()
    run.save(model, 1)
    path = tmp_path / "a.jsonl"
    rows = [("a good end", "pos", "x"), ("a bad end", "neg", "y"), ("a good end", "neg", "x"), ("a bad end", "pos", 3)]
    path.write_text("".join(json.dumps({"text": t, "label": y, "of": g}) + "\n" for t, y, g in rows))
    call = ["evaluate", "--from", str(run.path), "--data", str(path), "--group"]
    assert main([*call, "of", "--json"]) == 0
    scores = json.loads(capfd.readouterr().out)["a"]
    assert {name: group["texts"] for name, group in scores["groups"].items()} == {"3": 1, "x": 2, "y": 1}
    assert scores["groups"]["x"]["accuracy"] == 0.5 and scores["gap"]["difference"] == 1.0
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("good\tbad\n")
    flip = [*call[:-1], "--flips", str(pairs)]
    assert main([*flip, "--json"]) == 0
    flips = json.loads(capfd.readouterr().out)["a"]["flips"]
    assert flips["texts"] == 4 and flips["most"][0]["place"].endswith(("line 1", "line 2"))
    assert set(flips["pairs"]) == {"good/bad"} and flips["flipped"] in (0, 4)
    assert main(flip) == 0
    assert "flip_rate" in capfd.readouterr().out
    for content, message in (
        ("good\tbad\nbad\n", "pairs.tsv, line 2: 1 word instead of two"),
        ("king\tqueen\n", "a.jsonl: none of the 4 texts has a word of the 1 pairs"),
    ):
        pairs.write_text(content)
        assert main(flip) == 2
        assert message in capfd.readouterr().err
    assert main([*call, "source"]) == 2
    assert "line 1: no field 'source' to group by (fields: 'text', 'label', 'of')" in capfd.readouterr().err
