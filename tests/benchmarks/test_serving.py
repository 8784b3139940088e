"""The serving benchmark runs, tiny, and what it writes holds together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.serving import SIDES, main


def test_tiny_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = main(["--tiny", "--clients", "2", "--out", str(tmp_path / "serving.json")])
    assert json.loads((tmp_path / "serving.json").read_text()) == result
    assert [row["batch_size"] for row in result["rows"]] == [1, 8, 32]
    for row in result["rows"]:
        times = row["milliseconds"]
        assert list(times) == list(SIDES)
        assert row["ratio"] == pytest.approx(times["texts in"] / (times["ids in"] + times["tokenizer"]), rel=1e-2)
    server = result["server"]
    assert (server["clients"], server["requests"], server["errors"]) == (2, 6, [])
    assert server["requests_per_second"] > 0
    assert "an exported classifier and its parts" in capsys.readouterr().out
