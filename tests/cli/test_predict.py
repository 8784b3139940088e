from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from kpt.cli.main import main
from kpt.tasks import Classifier, QuestionAnswerer
from kpt.training.run_folder import RunFolder
from tests.tasks import small_questions
from tests.tasks.small_task import TEXTS, small_encoder, small_tokenizer


def tuned(folder: Path, **training: str) -> Classifier:
    """Write a run folder with a classifier, as `kpt finetune` does; returns the classifier."""
    tokenizer = small_tokenizer()
    run = RunFolder.create(folder, tokenizer, {"kind": "classifier", "training": training})
    model = Classifier(small_encoder(tokenizer), ["neg", "pos"], tokenizer=tokenizer)
    model.compile("sgd")
    run.save(model, 1)
    return model


def test_a_line_for_each_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    wanted = tuned(tmp_path / "run").tell([*TEXTS, ""])
    lines = [json.dumps({"text": text, "id": number}) for number, text in enumerate([*TEXTS, ""])]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    words = ["predict", "--from", str(tmp_path / "run"), str(tmp_path / "a.jsonl")]
    assert main([*words, "--keep", "id"]) == 0
    captured = capfd.readouterr()
    told = [json.loads(line) for line in captured.out.splitlines()]
    assert [row.pop("id") for row in told] == list(range(31))
    assert [row["label"] for row in told] == [row["label"] for row in wanted]
    chances = [row["probabilities"]["pos"] for row in wanted]
    assert [row["probabilities"]["pos"] for row in told] == pytest.approx(chances, abs=1e-5)
    assert "texts 31, empty 1, seconds" in captured.err

    out = tmp_path / "told.jsonl"
    assert main([*words, "--out", str(out), "--batch-size", "2", "--json"]) == 0
    results = json.loads(capfd.readouterr().out)
    assert (results["texts"], results["empty"], results["out"]) == (31, 1, str(out))
    assert [json.loads(line)["label"] for line in out.read_text().splitlines()] == [row["label"] for row in wanted]

    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO("\n".join(TEXTS[:3]).encode())))
    assert main([*words[:3], "-", "--batch-size", "2"]) == 0
    assert [json.loads(line)["label"] for line in capfd.readouterr().out.splitlines()] == [
        row["label"] for row in wanted[:3]
    ]

    def refused(*more: str) -> str:
        assert main([*words, *more]) == 2
        return capfd.readouterr().err

    assert "add --out FILE for the predictions" in refused("--json")
    assert "line 1: no field 'stars' to keep (fields: 'text', 'id')" in refused("--keep", "stars")
    assert "line 1: no field 'review'" in refused("--text-field", "review")
    assert "line 1: no field 'other'" in refused("--pair-field", "other")


def test_the_fields_are_those_of_the_training(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tuned(tmp_path / "run", text_field="review", pair_field="answer")
    (tmp_path / "a.tsv").write_text("answer\treview\nyes\ta good film\n")
    assert main(["predict", "--from", str(tmp_path / "run"), str(tmp_path / "a.tsv")]) == 0
    assert set(json.loads(capfd.readouterr().out)["probabilities"]) == {"neg", "pos"}
    (tmp_path / "a.tsv").write_text("answer\ttext\nyes\ta good film\n")
    assert main(["predict", "--from", str(tmp_path / "run"), str(tmp_path / "a.tsv")]) == 2
    assert "no field 'review'" in capfd.readouterr().err


def test_questions_of_squad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    tokenizer = small_questions.small_tokenizer()
    run = RunFolder.create(tmp_path / "run", tokenizer, {"kind": "answerer", "training": {"task": "qa"}})
    encoder = small_questions.small_encoder(tokenizer)
    model = QuestionAnswerer(encoder, 4, 3, None, tokenizer=tokenizer, length=16)
    model.compile("sgd")
    run.save(model, 1)
    path = small_questions.small_squad(tmp_path / "dev.json", 5, 1)
    paragraphs = json.loads(path.read_text())["data"][0]["paragraphs"]
    pairs = [(one["qas"][0]["question"], one["context"]) for one in paragraphs]
    wanted = [{"id": f"1-{number}", **one} for number, one in enumerate(model.tell(pairs))]
    for one in wanted:
        one["score"] = pytest.approx(one["score"], abs=1e-4)

    def told(*words: str) -> list[dict[str, object]]:
        assert main(["predict", "--from", str(run.path), *words]) == 0
        return [json.loads(line) for line in capfd.readouterr().out.splitlines()]

    assert told(str(path), "--batch-size", "2") == wanted
    kept = told(str(path), "--keep", "question", "id")
    assert [(one["id"], one["question"]) for one in kept] == [
        (one["id"], pair[0]) for one, pair in zip(wanted, pairs, strict=True)
    ]
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(path.read_bytes())))
    assert told("-") == wanted
    records = tmp_path / "records.json"  # lines of records under the same ending
    records.write_text(json.dumps({"question": pairs[0][0], "context": pairs[0][1]}) + "\n")
    lines = told(str(records), "--kind", "jsonl")
    assert lines == told(str(records), "--text-field", "question")
    assert [{"id": "1-0", **one} for one in lines] == wanted[:1]

    def refused(*words: str) -> str:
        out = tmp_path / "told.jsonl"
        assert main(["predict", "--from", str(run.path), *words, "--out", str(out)]) == 2
        assert not out.exists()
        return capfd.readouterr().err

    path.write_text(path.read_text().replace('"question": ', '"asked": '))
    assert f"{path}, question 1-0: no key 'question'" in refused(str(path))
    assert "leave out --text-field" in refused(str(path), "--kind", "squad", "--text-field", "asked")
    tuned(tmp_path / "other")
    assert main(["predict", "--from", str(tmp_path / "other"), str(path), "--kind", "squad"]) == 2
    assert "is for what `kpt finetune qa` wrote" in capfd.readouterr().err
