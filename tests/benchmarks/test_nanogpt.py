"""The nanoGPT benchmark runs, tiny, and what it writes holds together."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from benchmarks.nanogpt import main
from benchmarks.nanogpt_sides import blocks, characters, crops


def test_characters_are_numbered_by_code_point() -> None:
    ids, size = characters("baßa\n")
    assert ids.tolist() == [2, 1, 3, 1, 0] and size == 4


def test_crops_depend_on_the_step_alone() -> None:
    ids = np.arange(100)
    found = crops(ids, 5, 3, step=7)
    assert found.shape == (3, 5) and (np.diff(found) == 1).all()
    assert np.array_equal(found, crops(ids, 5, 3, step=7))
    assert not np.array_equal(found, crops(ids, 5, 3, step=8))
    assert crops(ids, 100, 2, step=0).tolist() == [list(range(100))] * 2


def test_blocks_label_each_character_once() -> None:
    assert blocks(np.arange(10), 3).tolist() == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]]
    assert blocks(np.arange(9), 3).tolist() == [[0, 1, 2, 3], [3, 4, 5, 6]]


def test_tiny_run(tmp_path: Path) -> None:
    out = tmp_path / "nanogpt.json"
    main(
        [
            "--tiny",
            "--backend",
            "torch",
            "--models",
            "kpt",
            "kpt-recipe",
            "torch",
            "--sides",
            "kpt, torch",
            "--out",
            str(out),
        ]
    )
    result = json.loads(out.read_text())
    assert set(result["quality"]["curves"]) == {"kpt", "kpt-recipe", "torch"}
    for model, curve in result["quality"]["curves"].items():
        assert [point["step"] for point in curve] == [0, 2, 4]
        assert all(3 < point["loss"] < 8 for point in curve)  # some hundred kinds of characters
        assert result["quality"]["perplexity"][model] == round(math.exp(curve[-1]["loss"]), 3)
    # The same kind of start: both of nanoGPT's models are near the uniform distribution.
    kpt, torch = (result["quality"]["curves"][model][0]["loss"] for model in ("kpt", "torch"))
    assert abs(kpt - torch) < 0.1
    assert set(result["speed"]["tokens_per_second"]) == {"kpt, torch", "PyTorch"}
    assert result["speed"]["ratio_to_pytorch"]["kpt, torch"] > 0
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
