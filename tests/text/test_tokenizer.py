from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kpt.errors import InputError
from kpt.text import Ragged, Vocabulary, WordPieceTokenizer, load_tokenizer

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un", "##able"]


def test_rows_of_different_lengths() -> None:
    rows = Ragged(np.array([5, 6, 7]), np.array([0, 2, 2, 3]))
    assert [rows.row(i).tolist() for i in range(3)] == [[5, 6], [], [7]]


def test_a_folder_says_which_kind_it_has(tmp_path: Path) -> None:
    tokenizer = WordPieceTokenizer(Vocabulary.from_tokens(PIECES), lowercase=False)
    tokenizer.save(tmp_path)
    again = load_tokenizer(tmp_path)
    assert isinstance(again, WordPieceTokenizer)
    assert again.fingerprint == tokenizer.fingerprint
    (tmp_path / "tokenizer.json").unlink()
    assert load_tokenizer(tmp_path).fingerprint == tokenizer.fingerprint


@pytest.mark.parametrize(("kind", "shown"), [("Unheard", "'Unheard'"), (["BPE"], r"\['BPE'\]")])
def test_an_unknown_kind_is_refused(tmp_path: Path, kind: object, shown: str) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps({"model": {"type": kind}}), encoding="utf-8")
    with pytest.raises(InputError, match=rf"tokenizer\.json has a tokenizer of the kind {shown}; kpt has WordPiece"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("content", ["", "[1]", "{}", '{"model": 3}', "[" * 100_000])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "tokenizer.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"tokenizer\.json"):
        load_tokenizer(tmp_path)
