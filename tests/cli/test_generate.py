from __future__ import annotations

import json
from pathlib import Path

import pytest

from kpt.cli.main import main
from kpt.interop import write_hugging_face
from kpt.training import BertSettings, GptSettings, RunFolder, pretrain_bert, pretrain_gpt
from tests.training.small_store import small_store

SMALL = {"size": "tiny", "batch_size": 2, "length": 8, "held_out": 0.2, "evaluations": 1, "evaluation_batches": 1}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a decoder and one of an encoder."""
    folder = tmp_path_factory.mktemp("runs")
    store = small_store(folder / "store").folder
    pretrain_gpt(store, folder / "gpt", GptSettings(steps=1, **SMALL))
    pretrain_bert(store, folder / "bert", BertSettings(steps=1, **SMALL))
    return folder


def test_results_as_json(runs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["generate", "--from", str(runs / "gpt"), "the cat", "open", "--max-new-tokens", "4"]
    assert main([*words, "--num-return-sequences", "2", "--temperature", "0.9", "--seed", "3", "--json"]) == 0
    results = json.loads(capfd.readouterr().out)
    assert results["prompts"] == ["the cat", "open"] and results["step"] == 1
    assert len(results["texts"]) == 4 and all(isinstance(text, str) for text in results["texts"])


def test_one_prompt_is_written_as_it_comes(runs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["generate", "--from", str(runs / "gpt"), "the cat", "--max-new-tokens", "4"]
    assert main(words) == 0
    written = capfd.readouterr().out
    assert main([*words, "--json"]) == 0
    assert written == "the cat" + json.loads(capfd.readouterr().out)["texts"][0] + "\n"


def test_weights_of_eight_bits(runs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["generate", "--from", str(runs / "gpt"), "the cat", "--max-new-tokens", "4", "--json"]
    assert main([*words, "--weights", "int8"]) == 0
    assert json.loads(capfd.readouterr().out)["texts"][0]
    assert main([*words, "--weights", "int3"]) == 2
    assert "invalid choice: 'int3'" in capfd.readouterr().err


def test_a_hugging_face_folder(runs: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source = RunFolder(runs / "gpt")
    write_hugging_face(source.load(compile=False), source.tokenizer, tmp_path / "gpt")
    words = ["generate", "the cat", "--max-new-tokens", "4", "--json", "--from"]
    assert main([*words, str(runs / "gpt")]) == 0 and main([*words, str(tmp_path / "gpt")]) == 0
    ours, theirs = (json.loads(line) for line in capfd.readouterr().out.splitlines())
    assert ours["texts"] == theirs["texts"] and theirs["step"] == 0


def test_refusals(runs: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for words, sentence in (
        (["--from", str(runs / "bert"), "a"], "writes no text; give a run of"),
        (["--from", str(tmp_path), "a"], "has no config.json; give a run folder"),
        (["--from", str(runs / "gpt"), "a", "--temperature", "-1"], "'-1' is not a number above 0"),
        (["--from", str(runs / "gpt"), "a", "--top-k", "0"], "'0' is not a whole number from 1 up"),
        (["--from", str(runs / "gpt"), "a", "--max-new-tokens", "0"], "'0' is not a whole number from 1 up"),
        (["--from", str(runs / "gpt"), "a", "--max-new-tokens", "5000"], "positions"),
    ):
        assert main(["generate", *words]) == 2
        error = capfd.readouterr().err
        assert sentence in error and error.count("\n") == 1, error
