from __future__ import annotations

import json
from pathlib import Path

import pytest

from kpt.errors import InputError
from kpt.text.folder_files import added_tokens, declared_tokens, ids_in_order, read_json, token_config
from kpt.text.vocabulary import Vocabulary


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.json is not readable JSON .*; copy the folder again"):
        read_json(tmp_path / "a.json")


def test_another_value_than_an_object_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[1]")
    with pytest.raises(InputError, match=r"a\.json holds a list where an object is expected"):
        read_json(tmp_path / "a.json")


def test_declared_tokens_of_both_files(tmp_path: Path) -> None:
    assert declared_tokens(tmp_path) == ({}, [])
    older = {"pad_token": "<p>", "unk_token": {"content": "<u>"}, "additional_special_tokens": ["<x>"]}
    (tmp_path / "special_tokens_map.json").write_text(json.dumps(older))
    newer = {"pad_token": "<pad>", "mask_token": None, "add_bos_token": True, "additional_special_tokens": ["<y>"]}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(newer))
    assert declared_tokens(tmp_path) == ({"pad_token": "<pad>", "unk_token": "<u>"}, ["<x>", "<y>"])
    (tmp_path / "tokenizer_config.json").write_text('{"eos_token": 3}')
    with pytest.raises(InputError, match=r"tokenizer_config\.json: the special token 3 is not text"):
        declared_tokens(tmp_path)


def test_ids_are_put_in_order() -> None:
    added = [{"content": "c", "id": 2, "special": True}, {"content": "a", "id": 0, "special": False}]
    assert ids_in_order({"b": 1, "a": 0}, added, Path("x")) == (["a", "b", "c"], {"c": True, "a": False})


@pytest.mark.parametrize(
    ("vocab", "added"),
    [(None, []), ({"a": 0, "b": 2}, []), ({"a": "0"}, []), ({"a": 0}, [{}]), ({"a": 0}, 3), ({"a": None, "b": 1}, [])],
)
def test_damaged_ids_are_refused(vocab: object, added: object) -> None:
    with pytest.raises(InputError, match=r"^x: its vocabulary is damaged"):
        ids_in_order(vocab, added, Path("x"))


def test_what_is_declared_is_what_the_vocabulary_has(tmp_path: Path) -> None:
    vocabulary = Vocabulary.from_tokens(["a", "<e>", "<x>"], {"end": "<e>"}, ["<x>"])
    config = token_config("GPT2Tokenizer", vocabulary, eos_token="end", pad_token="pad")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    assert declared_tokens(tmp_path) == ({"eos_token": "<e>"}, ["<x>"])
    assert [(token["id"], token["content"], token["special"]) for token in added_tokens(vocabulary)] == [
        (1, "<e>", True),
        (2, "<x>", True),
    ]
