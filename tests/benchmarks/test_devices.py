"""The benchmark of `fit` and strategies runs, tiny, and what it writes holds together."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.devices import compare, main


def test_ratios_are_ours_to_the_peer() -> None:
    rows = compare({"tensorflow": {"fit": 90.0, "loop": 100.0, "mirrored": 81.0}, "jax": {"fit": 50.0, "loop": 50.0}})
    assert [(row["what"], row["ratio"]) for row in rows] == [
        ("fit, tensorflow", 0.9),
        ("mirrored, one replica, tensorflow", 0.9),
        ("fit, jax", 1.0),
    ]


def test_tiny_run(tmp_path: Path) -> None:
    main(["--tiny", "--out", str(tmp_path / "devices.json")])
    result = json.loads((tmp_path / "devices.json").read_text(encoding="utf-8"))
    assert set(result["tokens_per_second"]["tensorflow"]) == {"fit", "loop", "mirrored"}
    assert set(result["tokens_per_second"]["jax"]) == {"fit", "loop"}
    assert len(result["comparisons"]) == 3 and all(row["ratio"] > 0 for row in result["comparisons"])
