from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.word2vec import ARCHITECTURES, main, summarize


def test_it_runs_tiny(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--tiny", "--seeds", "1", "--backends", "tensorflow", "--shuffled"]
    main([*options, "--out", str(tmp_path / "word2vec.json")])
    report = json.loads((tmp_path / "word2vec.json").read_text())
    assert [(row["architecture"], row["side"]) for row in report["summary"]] == [
        (architecture, side) for architecture in ARCHITECTURES for side in ("gensim", "gensim, shuffled", "kpt")
    ]
    assert all(row["words_per_second"] > 0 for row in report["summary"])
    assert "ratio" in capsys.readouterr().out


def test_growing_vocabularies_run_tiny(tmp_path: Path) -> None:
    options = ["--tiny", "--vocabulary", "--seeds", "1", "--backends", "tensorflow"]
    main([*options, "--out", str(tmp_path / "vocabulary.json")])
    rows = json.loads((tmp_path / "vocabulary.json").read_text())["vocabularies"]
    assert [row["vocabulary"] for row in rows] == [300, 600]
    assert rows[0]["of_first"] == 1 and 0 < rows[1]["of_first"] < 9
    assert rows[1]["tables_mb"] == pytest.approx(2 * rows[0]["tables_mb"]) and rows[0]["peak_mb"] > 10


def test_the_summary_has_means_and_spreads() -> None:
    runs = [
        {"architecture": "cbow", "side": side, "backend": None, "seed": seed, "words_per_cpu_second": 1.0, **values}
        for side, seed, values in (
            ("gensim", 0, {"words_per_second": 1.0, "analogies": 0.1}),
            ("gensim", 1, {"words_per_second": 3.0, "analogies": 0.2}),
            ("kpt", 0, {"words_per_second": 5.0, "analogies": 0.3}),
        )
    ]
    theirs, ours = summarize(runs)
    assert theirs["words_per_second"] == 2.0 and theirs["analogies"] == pytest.approx(0.15)
    assert theirs["analogies_spread"] == pytest.approx(0.1) and theirs["times_gensim"] == 1.0
    assert ours["times_gensim"] == 2.5 and ours["seeds"] == 1
