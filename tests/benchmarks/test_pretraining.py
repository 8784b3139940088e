"""The pre-training benchmark runs, tiny, and what it writes holds together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.pretraining import best, main


def test_ratios_are_of_the_best_to_the_best() -> None:
    speeds = {"kpt, tensorflow": 100, "kpt, torch": 300, "keras-hub, tensorflow": 150, "hugging-face, torch": 200}
    assert best(speeds) == {
        "best": {"kpt": 300, "keras-hub": 150, "hugging-face": 200},
        "ratio": {"keras-hub": 2.0, "hugging-face": 1.5},
    }


def test_tiny_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "pretraining.json"
    # One of the groups: each is a process for every side.
    main(["--tiny", "--precisions", "mixed_bfloat16", "--dropouts", "0.1", "--out", str(out)])
    result = json.loads(out.read_text())
    assert [(group["precision"], group["dropout"]) for group in result["speed"]] == [("mixed_bfloat16", 0.1)]
    for group in result["speed"]:
        assert set(group["tokens_per_second"]) == {
            *("kpt, tensorflow", "keras-hub, tensorflow", "kpt, torch", "keras-hub, torch", "hugging-face, torch"),
        }
        assert set(group["ratio"]) == {"keras-hub", "hugging-face"}
        assert all(value > 0 for value in group["tokens_per_second"].values())
    quality = result["quality"]
    assert set(quality["curves"]) == {"kpt-recipe", "keras-hub", "kpt"}
    for curve in quality["curves"].values():
        assert [point["step"] for point in curve] == [0, 1, 2, 4]
        assert all(0 < point["masked_lm_loss"] < 8 and 0 <= point["masked_lm_accuracy"] <= 1 for point in curve)
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out
    assert "kpt's best : keras-hub's best" in printed
