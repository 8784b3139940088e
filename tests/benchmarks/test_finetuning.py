"""The fine-tuning benchmark runs, tiny, and what it writes holds together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.finetuning import SIDES, main, measured_before, most_frequent_tags, summary
from benchmarks.finetuning_inputs import movie_reviews, named_entities, some_labels, write_columns
from kpt.text import Document


def test_mean_and_spread_of_the_seeds() -> None:
    rows = [
        {"labels": 50, "side": "TF-IDF", "seed": seed, "accuracy": accuracy, "macro_f1": 0.5}
        for seed, accuracy in enumerate((0.5, 0.6, 0.7))
    ]
    (row,) = summary(rows)
    assert (row["accuracy"], row["accuracy_deviation"], row["macro_f1_deviation"]) == (0.6, pytest.approx(0.1), 0)
    assert summary(rows[:1])[0]["accuracy_deviation"] is None


def test_what_was_measured_with_the_same_settings_is_not_measured_again(tmp_path: Path) -> None:
    result = {
        "task": "x",
        "texts": {},
        "precision": "float32",
        "settings": {"size": "mini", "labels": [50], "seeds": 1},
    }
    rows = [{"labels": 50, "side": "TF-IDF", "seed": 0, "accuracy": 0.5}]
    assert measured_before(tmp_path / "out.json", result) == []
    (tmp_path / "out.json").write_text(json.dumps(result | {"rows": rows}))
    assert measured_before(tmp_path / "out.json", result) == rows
    more = result | {"settings": {"size": "mini", "labels": [200], "seeds": 3}}
    assert measured_before(tmp_path / "out.json", more) == rows
    other = result | {"settings": {"size": "tiny", "labels": [50], "seeds": 1}}
    assert measured_before(tmp_path / "out.json", other) == []


def test_the_splits_of_the_reviews(tmp_path: Path) -> None:
    names = [f"cv{number:03}_{label}" for number in (0, 699, 700, 749, 750, 999) for label in ("neg", "pos")]
    records = [{"id": name, "label": name[-3:], "text": f"review {name}"} for name in names]
    (tmp_path / "movie_reviews.jsonl").write_text("\n".join(map(json.dumps, records)))
    (tmp_path / "speeches.jsonl").write_text('{"text": "We the people."}')
    (tmp_path / "wikitext2-valid.txt").write_text(" = Title = \n It rained . \n")
    data = movie_reviews(tmp_path)
    assert [len(part) for part in (data.train, data.validation, data.test, data.unlabelled)] == [4, 4, 4, 2]
    assert {document.id for document in data.train} == set(names[:4])


def test_the_most_frequent_tag_of_a_word() -> None:
    train = [(["Anna", "sang"], ["B-x", "O"]), (["Anna", "Anna"], ["I-x", "B-x"])]
    test = [(["Anna", "came"], ["B-x", "B-x"]), (["sang"], ["O"])]
    assert most_frequent_tags(train, test) == {"f1": 0.666667, "precision": 1.0, "recall": 0.5}


def test_entities_and_their_files(tmp_path: Path) -> None:
    (tmp_path / "movie_reviews.jsonl").write_text('{"id": "cv000_1", "label": "neg", "text": "bad"}')
    (tmp_path / "speeches.jsonl").write_text('{"text": "We the people."}')
    (tmp_path / "wikitext2-valid.txt").write_text(" = Title = \n It rained . \n")
    for name, tag in (("train", "B-x"), ("dev", "I-x"), ("test", "O")):
        write_columns(tmp_path / f"wnut17-{name}.conll", [(["Anna", "sang"], [tag, "O"]), (["it"], ["O"])])
    data = named_entities(tmp_path)
    assert data.train == [(["Anna", "sang"], ["B-x", "O"]), (["it"], ["O"])]
    assert data.validation[0][1] == ["B-x", "O"] and len(data.test) == 2
    assert [document.text for document in data.unlabelled][-2:] == ["Anna sang", "it"]
    assert len(some_labels(data.train, 1, 0)) == 1


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
    assert [row["side"] for row in result["rows"]] == [*SIDES[:2], "TF-IDF"]
    assert all(0 <= row["accuracy"] <= 1 and row["seconds"] >= 0 for row in result["rows"])
    assert "from scratch" in capsys.readouterr().out
    again = main([*words, "--sides", "baseline"])  # the pre-training is there
    assert again["rows"][0]["accuracy"] == result["rows"][2]["accuracy"]
