"""The benchmark of several tasks runs, tiny, and what it writes holds together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.finetuning_inputs import Labelled
from benchmarks.multi_task import all_text, main, summary
from kpt.text import Document


def test_means_and_shares_of_plain_tuning() -> None:
    multi = [
        {"task": "a", "seed": seed, "alone": alone, "together": both}
        for seed, (alone, both) in enumerate([(0.8, 0.79), (0.9, 0.9)])
    ]
    continual = [
        {"method": method, "seed": seed, "average_forgetting": value, "average_score": 0.5}
        for method, values in {"plain": (0.2, 0.4), "replay": (0.05, 0.1)}.items()
        for seed, value in enumerate(values)
    ]
    found = summary(multi, continual)
    assert found["together"] == [{"task": "a", "alone": 0.85, "together": 0.845, "points": -0.5}]
    assert [(row["average_forgetting"], row["of_plain"]) for row in found["one_after_another"]] == [
        (0.3, 1.0),
        (0.075, 0.25),
    ]
    assert summary(multi, continual[2:])["one_after_another"][0]["of_plain"] is None


def test_no_text_of_a_test_split_is_pre_trained_on() -> None:
    one = Labelled("a", [Document("train a")], [Document("held a")], [Document("test a")], [Document("test b")])
    other = Labelled("b", [Document("train b"), Document("train a")], [], [Document("test b")], [Document("more")])
    texts = [document.text for document in all_text({"a": one, "b": other}).train]
    assert texts == ["train a", "train b", "more"]


def test_tiny_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "multi_task.json"
    result = main(["--tiny", "--out", str(out), "--run", str(tmp_path / "run"), "--methods", "plain"])
    assert json.loads(out.read_text()) == result
    assert [row["task"] for row in result["multi_task"]] == ["subject_1", "subject_2"]
    assert all(0 <= row[side] <= 1 for row in result["multi_task"] for side in ("alone", "together"))
    (row,) = result["continual"]
    assert row["method"] == "plain" and [len(some) for some in row["matrix"]] == [2, 2]
    assert "one after another" in capsys.readouterr().out
