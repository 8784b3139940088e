from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import __main__, data, pretraining


def test_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []
    monkeypatch.setattr(data, "main", calls.append)
    monkeypatch.setattr(pretraining, "main", calls.append)
    __main__.main(["--data", "corpora", "--out", str(tmp_path / "figures"), "--tiny"])
    assert (tmp_path / "figures").is_dir()
    assert calls == [
        ["--data", "corpora", "--out", str(tmp_path / "figures" / name), "--tiny"]
        for name in ("data.json", "pretraining.json")
    ]
