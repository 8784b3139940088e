from __future__ import annotations

import json
from pathlib import Path

import pytest

from kpt.cli.main import main
from tests.training.small_store import small_store


def test_a_dry_run_needs_no_folder_and_makes_none(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    store = small_store(tmp_path / "store").folder
    call = ["pretrain", "gpt", "--data", str(store), "--steps", "8", "--size", "base"]
    assert main([*call, "--dry-run", "--json"]) == 2  # GPT-2 has no base
    assert "choose one of tiny" in capfd.readouterr().err
    call[-1] = "small"
    assert main([*call, "--dry-run", "--json", "--accumulate", "4", "--remat"]) == 0
    table = json.loads(capfd.readouterr().out)
    assert table["parameters"] == 12 * 12 * 768**2 + 90 * 768 + 25 * 768
    assert main([*call, "--dry-run"]) == 0
    assert "gradients             324.3 MiB\n" in capfd.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store"]
    assert main(call) == 2
    assert "--out is missing; name the folder for the run, or add --dry-run" in capfd.readouterr().err
