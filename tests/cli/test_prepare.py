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
