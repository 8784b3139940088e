"""The fine-tuning benchmark runs, tiny, and what it writes holds together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.finetuning import SIDES, main, summary
from benchmarks.finetuning_inputs import movie_reviews, some_labels
from kpt.text import Document


def test_mean_and_spread_of_the_seeds() -> None:
    rows = [
        {"labels": 50, "side": "tf-idf", "seed": seed, "accuracy": accuracy, "macro_f1": 0.5}
        for seed, accuracy in enumerate((0.5, 0.6, 0.7))
    ]
    (row,) = summary(rows)
    assert (row["accuracy"], row["accuracy_deviation"], row["macro_f1_deviation"]) == (0.6, pytest.approx(0.1), 0)
    assert summary(rows[:1])[0]["accuracy_deviation"] is None


def test_the_splits_of_the_reviews(tmp_path: Path) -> None:
    names = [f"cv{number:03}_{label}" for number in (0, 699, 700, 749, 750, 999) for label in ("neg", "pos")]
    records = [{"id": name, "label": name[-3:], "text": f"review {name}"} for name in names]
    (tmp_path / "movie_reviews.jsonl").write_text("\n".join(map(json.dumps, records)))
    (tmp_path / "speeches.jsonl").write_text('{"text": "We the people."}')
    (tmp_path / "wikitext2-valid.txt").write_text(" = Title = \n It rained . \n")
    data = movie_reviews(tmp_path)
    assert [len(part) for part in (data.train, data.validation, data.test, data.unlabelled)] == [4, 4, 4, 2]
    assert {document.id for document in data.train} == set(names[:4])


def test_labels_are_drawn_alike_of_each() -> None:
    documents = [Document(f"text {number}", "abc"[number % 3]) for number in range(30)]
    chosen = some_labels(documents, 10, seed=1)
    assert sorted(str(each.label) for each in chosen) == [*"aaaa", *"bbb", *"ccc"]
    assert chosen == some_labels(documents, 10, seed=1) != some_labels(documents, 10, seed=2)
    assert len({each.text for each in chosen}) == 10


def test_tiny_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--tiny", "--labels", "8", "--out", str(tmp_path / "finetuning.json"), "--run", str(tmp_path / "run")]
    result = main(words)
    assert json.loads((tmp_path / "finetuning.json").read_text()) == result
    assert result["task"] == "subject of documentation" and result["pretraining"]["steps"] == 4
    assert [row["side"] for row in result["rows"]] == list(SIDES)
    assert all(0 <= row["accuracy"] <= 1 and row["seconds"] >= 0 for row in result["rows"])
    assert "from scratch" in capsys.readouterr().out
    again = main([*words, "--sides", "tf-idf"])  # the pre-training is there
    assert again["rows"][0]["accuracy"] == result["rows"][2]["accuracy"]
