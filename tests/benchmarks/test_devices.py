"""The benchmark of `fit` and strategies runs, tiny, and what it writes holds together."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.devices import compare, counting, cpu_seconds, main, spread


def rounds(wall: list[float], cpu: list[float]) -> dict[str, list[float]]:
    return {"wall": wall, "cpu": cpu}


def test_ratios_are_ours_to_the_peer() -> None:
    calm, disturbed = [2.0, 2.0, 2.02], [2.0, 4.0, 4.0]
    sides: dict[str, Any] = {
        "fit": rounds(disturbed, [3.1, 3.0, 3.2]),
        "loop": rounds(calm, [3.0, 2.9, 3.1]),
        "mirrored": rounds(disturbed, [3.875, 3.875, 3.8]),
    }
    jax = {"fit": rounds([2.5, 2.5, 2.5], [4.0]), "loop": rounds(calm, [4.0])}
    rows = compare({"tensorflow": {"device": "CPU", "seconds": sides}, "jax": {"device": "CPU", "seconds": jax}})
    assert [(row["what"], row["ratio_wall"], row["ratio_cpu"], row["counts"]) for row in rows] == [
        ("fit, tensorflow", 0.5, 0.968, "cpu"),
        ("mirrored, one replica, tensorflow", 1.0, 0.8, "cpu"),
        ("fit, jax", 0.8, 1.0, "wall"),
    ]
    assert (rows[0]["ours_wall"], rows[0]["peer_wall"], rows[0]["ours_cpu"], rows[0]["peer_cpu"]) == (4.0, 2.0, 3.1, 3)
    assert rows[0]["why"] == "rounds differ by 25% by the wall clock"


def test_on_an_accelerator_the_wall_clock_counts() -> None:
    assert counting("NVIDIA H100", 0.5) == ("wall", "CPU seconds do not see the NVIDIA H100")


def test_spread_is_of_the_middle_half() -> None:
    assert spread([1.0, 1.0, 1.0, 1.0, 9.0]) == 0.0
    assert spread([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(2 / 3)


def test_cpu_seconds_are_those_of_work_and_of_children_that_ended() -> None:
    before = cpu_seconds()
    time.sleep(0.2)
    slept = cpu_seconds() - before
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.3: pass"], check=True)
    assert slept < 0.15
    assert cpu_seconds() - before >= 0.3


def test_tiny_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--tiny", "--out", str(tmp_path / "devices.json")])
    result = json.loads((tmp_path / "devices.json").read_text(encoding="utf-8"))
    assert set(result["measured"]["tensorflow"]["seconds"]) == {"fit", "loop", "mirrored"}
    assert set(result["measured"]["jax"]["seconds"]) == {"fit", "loop"}
    assert len(result["comparisons"]) == 3
    for row in result["comparisons"]:
        assert row["ratio_wall"] == pytest.approx(row["peer_wall"] / row["ours_wall"], abs=1e-3)
        assert row["ratio_cpu"] == pytest.approx(row["peer_cpu"] / row["ours_cpu"], abs=1e-3)
    assert "ratio, CPU" in capsys.readouterr().out
