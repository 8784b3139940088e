from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import kpt.export
import kpt.training
from kpt.cli.main import main
from kpt.interop import write_hugging_face
from kpt.objectives import CausalLM, MaskedLM, Pretrainer
from kpt.text import WordTokenizer
from kpt.vectors import WordVectors
from tests.batches import tiny_encoder
from tests.interop.checkpoints import wordpiece


class Run:
    """A run folder of 40 steps at length 24."""

    step = 40
    tokenizer = "its tokenizer"
    config = {"training": {"length": 24}}  # noqa: RUF012

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, compile: bool) -> Any:
        objectives = [CausalLM()] if self.path.name == "gpt" else [MaskedLM()]
        return SimpleNamespace(name=f"the model of {self.path.name}", objectives=objectives)


def test_the_arguments_are_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    calls = []

    def saved_model(model: Any, *words: object, **options: object) -> Path:
        calls.append(((model.name, *words), options))
        return tmp_path / "bert" / "1"

    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    monkeypatch.setattr(kpt.training, "open_source", lambda source: Run(Path(source)))
    monkeypatch.setattr(kpt.export, "saved_model", saved_model)
    words = ["export", "--from", "run", "--to", str(tmp_path / "bert"), "--json"]
    assert main(words) == 0
    results = json.loads(capfd.readouterr().out)
    assert results == {"saved_model": str(tmp_path / "bert" / "1"), "step": 40, "seconds": results["seconds"]}
    assert main([*words, "--length", "12", "--top-k", "3"]) == 0
    model = ("the model of run", "its tokenizer", tmp_path / "bert")
    assert calls == [
        (model, {"length": 24, "top_k": 5, "weights": None}),
        (model, {"length": 12, "top_k": 3, "weights": None}),
    ]
    calls.clear()
    words[2] = "gpt"
    assert main(words) == 0
    assert main([*words, "--length", "12"]) == 0
    assert [options["length"] for _, options in calls] == [None, 12]


def test_a_run_of_word2vec_exports_its_vectors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    tokenizer = WordTokenizer.train(["cat dog car"], minimum_frequency=1)
    run = kpt.training.RunFolder.create(tmp_path / "run", tokenizer, {"kind": "word2vec"})
    words = ["export", "--from", str(run.path), "--to", str(tmp_path / "words"), "--json"]
    assert main(words) == 2
    assert "has no vectors yet" in capfd.readouterr().err
    WordVectors(["cat", "dog", "car"], [[1, 0], [0.9, 0.1], [0, 1]]).save(run.path / "vectors.safetensors")
    assert main([*words, "--length", "12"]) == 2
    assert "--weights are for models of texts" in capfd.readouterr().err
    assert main(words) == 0
    results = json.loads(capfd.readouterr().out)
    assert results == {"saved_model": str(tmp_path / "words" / "1"), "step": 0, "seconds": results["seconds"]}
    assert (tmp_path / "words" / "1" / "assets" / "words.txt").read_text(encoding="utf-8") == "cat\ndog\ncar\n"


def test_no_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "--from", str(tmp_path), "--to", str(tmp_path / "bert")]) == 2
    assert "has no config.json; give a run folder" in capfd.readouterr().err


def test_a_run_becomes_a_hugging_face_folder_and_that_a_saved_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    run = kpt.training.RunFolder.create(tmp_path / "run", wordpiece(), {"kind": "bert"})
    run.save(Pretrainer(tiny_encoder(vocabulary_size=270), [MaskedLM()]), step=3)
    words = ["export", "--from", str(run.path), "--format", "huggingface", "--to", str(tmp_path / "theirs"), "--json"]
    assert main([*words, "--length", "5"]) == 2
    assert "--length is for a SavedModel" in capfd.readouterr().err
    assert main(words) == 0
    results = json.loads(capfd.readouterr().out)
    assert results == {"huggingface": str(tmp_path / "theirs"), "step": 3, "seconds": results["seconds"]}
    assert main(words) == 2
    assert "exists and is not empty" in capfd.readouterr().err

    words = ["export", "--from", str(tmp_path / "theirs"), "--to", str(tmp_path / "served"), "--json"]
    assert main(words) == 0
    assert json.loads(capfd.readouterr().out)["saved_model"] == str(tmp_path / "served" / "1")
    notes = json.loads((tmp_path / "served" / "1" / "assets.extra" / "kpt.json").read_text(encoding="utf-8"))
    assert notes["signatures"] == ["serving_default", "fill_mask"]

    write_hugging_face(tiny_encoder(vocabulary_size=270), wordpiece(), tmp_path / "bare")
    words[2] = str(tmp_path / "bare")
    assert main(words) == 0
    notes = json.loads((tmp_path / "served" / "2" / "assets.extra" / "kpt.json").read_text(encoding="utf-8"))
    assert notes["signatures"] == ["serving_default"]


def test_a_run_becomes_a_folder_of_sentence_transformers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    run = kpt.training.RunFolder.create(tmp_path / "run", wordpiece(), {"kind": "bert", "training": {"length": 7}})
    run.save(Pretrainer(tiny_encoder(vocabulary_size=270), [MaskedLM()]), step=3)
    words = ["export", "--from", str(run.path), "--format", "sentence-transformers", "--json", "--to"]
    for more, length in ([], 7), (["--length", "6"], 6):
        folder = tmp_path / str(length)
        assert main([*words, str(folder), *more]) == 0
        results = json.loads(capfd.readouterr().out)
        assert results == {"sentence_transformers": str(folder), "step": 3, "seconds": results["seconds"]}
        assert json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"] == length


def test_a_run_becomes_a_file_of_token_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    calls = []

    def export(model: Any, tokenizer: Any, folder: Path, format: str, *, length: int | None) -> Path:
        calls.append((model.name, tokenizer, folder.name, format, length))
        return folder

    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    monkeypatch.setattr(kpt.training, "open_source", lambda source: Run(Path(source)))
    monkeypatch.setattr(kpt.export, "export_token_model", export)
    for format, more in (("onnx", []), ("openvino", ["--length", "9"])):
        assert main(["export", "--from", "run", "--format", format, "--to", str(tmp_path / "out"), *more]) == 0
    model = "the model of run", "its tokenizer", "out"
    assert calls == [(*model, "onnx", 24), (*model, "openvino", 9)]
    assert "onnx" in capfd.readouterr().out


def test_word_vectors_have_no_hugging_face_form(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tokenizer = WordTokenizer.train(["cat dog car"], minimum_frequency=1)
    run = kpt.training.RunFolder.create(tmp_path / "run", tokenizer, {"kind": "word2vec"})
    assert main(["export", "--from", str(run.path), "--format", "huggingface", "--to", str(tmp_path / "out")]) == 2
    assert "has word vectors, for which --format huggingface has no model" in capfd.readouterr().err


def test_an_export_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    folders = []

    def check(folder: Path) -> Any:
        folders.append(folder)
        return kpt.export.Checked(folder, 0.5, ["nearest"], 4, 1e-6, {"nearest": {"batch 1": {"p50": 1.0, "p99": 2.0}}})

    monkeypatch.setattr(kpt.export, "check_saved_model", check)
    tokenizer = WordTokenizer.train(["cat dog car"], minimum_frequency=1)
    run = kpt.training.RunFolder.create(tmp_path / "run", tokenizer, {"kind": "word2vec"})
    WordVectors(["cat", "dog", "car"], [[1, 0], [0.9, 0.1], [0, 1]]).save(run.path / "vectors.safetensors")
    target = tmp_path / "words"
    words = ["export", "--to", str(target), "--check", "--json"]
    assert main([*words, "--from", str(run.path)]) == 0
    both = json.loads(capfd.readouterr().out)
    assert main(words) == 0
    checked = json.loads(capfd.readouterr().out)
    assert folders == [target / "1", target]
    assert both["saved_model"] == both["checked"] == str(target / "1")
    assert (checked["requests"], checked["latency_ms"]) == (4, {"nearest": {"batch 1": {"p50": 1.0, "p99": 2.0}}})

    assert main(["export", "--to", str(target)]) == 2
    assert "no model is given; name one with --from" in capfd.readouterr().err
    assert main([*words, "--from", str(run.path), "--format", "huggingface"]) == 2
    assert "--check is for a SavedModel, not for huggingface" in capfd.readouterr().err
    assert main(["export", "--to", "x", "--from", str(run.path), "--format", "huggingface", "--weights", "int8"]) == 2
    assert "--weights is for a SavedModel, not for huggingface" in capfd.readouterr().err
    assert main(["export", "--to", str(target), "--from", str(run.path), "--weights", "int8"]) == 2
    assert "--weights are for models of texts, not for word vectors" in capfd.readouterr().err
    (target / "1" / "assets.extra" / "kpt.json").write_text('{"weights": {"type": "int8", "bytes": 5}}')
    monkeypatch.setattr(kpt.export, "check_saved_model", lambda folder: check(folder / "1"))
    assert main(words) == 0
    assert json.loads(capfd.readouterr().out)["weights"] == {"type": "int8", "bytes": 5}
