"""The benchmark of checkpoints runs, tiny, and what it writes holds together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.checkpoints import WAYS, main, turned


def test_each_way_is_the_first_in_turn() -> None:
    assert [turned(WAYS, number)[0] for number in range(4)] == ["none", "beside", "waiting", "none"]
    assert sorted(turned(WAYS, 2)) == sorted(WAYS)


def test_it_runs_tiny(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--tiny", "--out", str(tmp_path / "checkpoints.json")])
    result = json.loads((tmp_path / "checkpoints.json").read_text())
    assert [len(values) for values in result["block_seconds"].values()] == [1, 1, 1]
    # A float32 for each weight, and two of Adam's.
    assert 12 < result["checkpoint_bytes"] / result["parameters"] < 15
    none, beside = (result["block_seconds"][way][0] for way in ("none", "beside"))
    assert result["cost"]["beside"] == pytest.approx(beside / none - 1, rel=0.05, abs=0.02)
    assert 0 < result["stall_seconds"]["beside"] < result["block_seconds"]["beside"][0]
    assert "cost in throughput" in capsys.readouterr().out
