"""The generation benchmark runs, tiny, and what it writes holds together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.generation import BASE, main, weights_read, with_ratios
from benchmarks.generation_sides import random_weights


def test_weights_are_those_of_gpt2() -> None:
    sizes = {"width": 16, "depth": 2, "vocabulary_size": 50, "maximum_length": 8}
    weights = random_weights(sizes)
    assert sum(value.size for value in weights.values()) - 8 * 16 == weights_read(sizes)
    assert weights_read(BASE) == 124_439_808 - 1024 * 768
    assert all((weights[name] == value).all() for name, value in random_weights(sizes).items())


def test_ratios_are_to_the_better_peer() -> None:
    run = with_ratios({"tokens_per_second": {"a": 10.0, "b": 20.0, "kpt, jax": 30.0}}, {"a": 10.0, "b": 20.0})
    assert run["peer"] == "b" and run["ratio"] == {"kpt, jax": 1.5}


def test_tiny_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    out = tmp_path / "generation.json"
    words = ["--tiny", "--sides", "keras-hub, jax", "kpt, torch", "--precisions", "float32", "--batches", "2"]
    main([*words, "--out", str(out)])
    result = json.loads(out.read_text())
    for part in ("small", "base"):
        (run,) = result[part]
        assert set(run["tokens_per_second"]) == {"Hugging Face", "keras-hub, jax", "kpt, torch"}
        assert run["agreement"] == {"keras-hub, jax": 1.0, "kpt, torch": 1.0} and run["distinct_tokens"] > 1
        assert run["ratio"]["kpt, torch"] > 0 and run["bytes_per_second"] > 0
    assert result["growth"]["ratio"]["kpt, torch"] > 0
