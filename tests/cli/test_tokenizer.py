from __future__ import annotations

import json
from pathlib import Path

import pytest

from kpt.cli.main import main
from kpt.text import WordPieceTokenizer


@pytest.fixture
def text(tmp_path: Path) -> Path:
    file = tmp_path / "text.txt"
    file.write_text("Low, lower, lowest.\n\nThe widest and the newest.\n" * 5, encoding="utf-8")
    return file


def test_a_tokenizer_is_trained(text: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "tokenizer"
    assert main(["tokenizer", "--vocabulary-size", "40", "--out", str(out), str(text), "--json"]) == 0
    results = json.loads(capfd.readouterr().out)
    assert results == {"tokenizer": str(out), "vocabulary_size": 40, "problems": {}, "seconds": results["seconds"]}
    tokenizer = WordPieceTokenizer.load(out)
    assert tokenizer.vocabulary.size == 40
    assert tokenizer.lowercase


def test_case_is_kept_on_demand(text: Path, tmp_path: Path) -> None:
    words = ["--vocabulary-size", "40", "--keep-case", "--out", str(tmp_path / "tokenizer"), str(text)]
    assert main(["tokenizer", *words]) == 0
    assert not WordPieceTokenizer.load(tmp_path / "tokenizer").lowercase


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--out", "{out}"], "no text is given"),
        (["--out", "{out}", "{tmp}/missing.txt"], "missing.txt does not exist"),
        (["--out", "{out}", "{tmp}/empty.txt"], "no document was found in"),
        (["--out", "{out}", "--vocabulary-size", "5", "{text}"], "vocabulary_size is 5"),
        (["--out", "{out}", "--vocabulary-size", "9000", "{text}"], "ask for at most"),
        (["--out", "{tmp}", "{text}"], "holds something else"),
        (["--out", "{text}", "{text}"], "is a file where a folder is to be written"),
    ],
)
def test_wrong_input_is_one_sentence(
    words: list[str], sentence: str, text: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.txt").touch()
    names = {"out": tmp_path / "tokenizer", "tmp": tmp_path, "text": text}
    assert main(["tokenizer", *(word.format(**names) for word in words)]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("kpt tokenizer: ") and sentence in err and err.count("\n") == 1
    assert not (tmp_path / "tokenizer").exists()


def test_nothing_is_replaced_unasked(text: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["tokenizer", "--vocabulary-size", "40", "--out", str(tmp_path / "tokenizer"), str(text)]
    assert main(words) == 0
    assert main(words) == 2
    assert "--overwrite" in capfd.readouterr().err
    assert main([*words, "--overwrite"]) == 0
