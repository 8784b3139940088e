from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.data import COMPARISONS, main


def test_it_runs_tiny(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--tiny", "--out", str(tmp_path / "data.json")])
    report = json.loads((tmp_path / "data.json").read_text())
    assert [row["name"] for row in report["comparisons"]] == [name for name, *_, peers in COMPARISONS for _ in peers]
    assert all(row["kpt"] > 0 and row["peer_value"] > 0 for row in report["comparisons"])
    assert [row["corpus_mb"] for row in report["memory"]] == [0.1, 0.2]
    assert all(row["peak_mb"] > 10 for row in report["memory"])
    assert "Memory of prepare" in capsys.readouterr().out
