from __future__ import annotations

import json
from pathlib import Path

import pytest

from kpt.cli.main import main
from kpt.data import TokenStore
from kpt.text import WordPieceTokenizer

TEXT = "Low, lower, lowest. It is low.\n\nThe widest and the newest.\n"


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    WordPieceTokenizer.train([TEXT] * 5, 50).save(tmp_path / "tokenizer")
    return tmp_path / "tokenizer"


def call(tokenizer: Path, out: Path, *words: str | Path) -> int:
    return main(["prepare", "--tokenizer", str(tokenizer), "--out", str(out), *map(str, words)])


def test_a_store_is_written(tokenizer: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.txt").write_bytes(TEXT.encode() + b"\n\nBad \xff byte and \x00 character.\n")
    assert call(tokenizer, tmp_path / "store", tmp_path / "text.txt", "--json") == 0
    results = json.loads(capfd.readouterr().out)
    store = TokenStore.open(tmp_path / "store")
    assert results["store"] == str(tmp_path / "store")
    assert (results["documents"], results["sentences"]) == (3, 4)
    assert results["tokens"] == store.tokens > 20
    assert results["problems"] == {"invalid_utf8": 1, "nul": 1}


def test_a_store_is_replaced_on_demand(tokenizer: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    assert call(tokenizer, tmp_path / "store", tmp_path / "text.txt") == 0
    assert call(tokenizer, tmp_path / "store", tmp_path / "text.txt") == 2
    assert "is not empty" in capfd.readouterr().err
    assert call(tokenizer, tmp_path / "store", tmp_path / "text.txt", "--overwrite") == 0


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"", "no document was found"), (b" \n\n \n", "no document was found"), (None, "does not exist")],
)
def test_text_without_documents(
    content: bytes | None, sentence: str, tokenizer: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "text.txt").write_bytes(content)
    assert call(tokenizer, tmp_path / "store", tmp_path / "text.txt") == 2
    err = capfd.readouterr().err
    assert err.startswith("kpt prepare: ") and sentence in err and err.count("\n") == 1
    assert not (tmp_path / "store").exists()


def test_no_tokenizer(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    assert call(tmp_path / "nowhere", tmp_path / "store", tmp_path / "text.txt") == 2
    assert "there is no tokenizer folder" in capfd.readouterr().err


def test_records_are_written(tokenizer: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.txt").write_text(TEXT * 3, encoding="utf-8")
    words = ["--format", "tfrecord", "--layout", "model-garden", "--length", "16", "--dupe-factor", "2", "--seed", "5"]
    words += ["--shards", "2", "--compression", "gzip", "--whole-words", "--masking-rate", "0.2", "--predictions", "4"]
    assert call(tokenizer, tmp_path / "out", tmp_path / "text.txt", *words, "--json") == 0
    results = json.loads(capfd.readouterr().out)
    manifest = json.loads((tmp_path / "out" / "records.json").read_text(encoding="utf-8"))
    assert results["folder"] == str(tmp_path / "out")
    assert results["documents"] == 4 and results["records"] == manifest["records"] > 4
    kept = ("layout", "length", "dupe_factor", "seed", "compression", "whole_words", "masking_rate", "predictions")
    assert [manifest[name] for name in kept] == ["model-garden", 16, 2, 5, "gzip", True, 0.2, 4]
    assert (tmp_path / "out" / "train-00001-of-00002.tfrecord.gz").is_file()
    assert call(tokenizer, tmp_path / "out", tmp_path / "text.txt", *words) == 2
    assert "is not empty" in capfd.readouterr().err
    assert call(tokenizer, tmp_path / "out", tmp_path / "text.txt", "--overwrite") == 2
    assert "holds something else (it has no manifest.json)" in capfd.readouterr().err


def test_settings_of_records_are_no_settings_of_a_store(
    tokenizer: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    assert call(tokenizer, tmp_path / "out", tmp_path / "text.txt", "--dupe-factor", "2", "--whole-words") == 2
    assert "a token store has no --whole-words, --dupe-factor; add --format tfrecord" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()
