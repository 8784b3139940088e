from __future__ import annotations

from pathlib import Path

import pytest

from kpt.cli.evaluate_task import TASK_KINDS
from kpt.cli.main import main
from kpt.training.finetuning import KINDS
from kpt.training.joint_tasks import KIND
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
