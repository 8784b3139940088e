from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kpt.errors import InputError
from kpt.text.vocabulary import Vocabulary
from kpt.text.wordpiece_folder import read_folder, write_folder

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##b", "\u2028", "é"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "tokenizer"
    write_folder(path, Vocabulary.from_tokens(PIECES), lowercase=False, strip_accents=False)
    return path


def change_json(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(json.dumps(value), encoding="utf-8")


def test_what_is_written_is_read(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["tokenizer.json", "tokenizer_config.json", "vocab.txt"]
    assert read_folder(folder) == (Vocabulary.from_tokens(PIECES), {"lowercase": False, "strip_accents": False})
    assert (folder / "vocab.txt").read_bytes() == "".join(piece + "\n" for piece in PIECES).encode()


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("strip_accents", [True, False])
def test_options_are_read_from_either_file(tmp_path: Path, lowercase: bool, strip_accents: bool) -> None:
    expected = {"lowercase": lowercase, "strip_accents": strip_accents}
    write_folder(tmp_path, Vocabulary.from_tokens(PIECES), **expected)
    assert read_folder(tmp_path)[1] == expected
    (tmp_path / "tokenizer.json").unlink()
    assert read_folder(tmp_path)[1] == expected


def test_a_published_folder_of_vocab_txt_alone(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_bytes(b"[unused0]\r\n[PAD]\r\nhello\r\n[SEP]\r\n[CLS]\r\n[MASK]\r\n[UNK]")
    vocabulary, options = read_folder(tmp_path)
    assert vocabulary.tokens == ("[unused0]", "[PAD]", "hello", "[SEP]", "[CLS]", "[MASK]", "[UNK]")
    assert (vocabulary.pad_id, vocabulary.unk_id, vocabulary.special_ids) == (1, 6, (1, 3, 4, 5, 6))
    assert options == {"lowercase": True, "strip_accents": True}
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false, "strip_accents": null}')
    assert read_folder(tmp_path)[1] == {"lowercase": False, "strip_accents": False}


def test_special_tokens_of_other_names(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("<s>\n<pad>\n</s>\n<unk>\n<mask>\n<ent>\n")
    special = {"pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "<s>", "sep_token": "</s>"}
    (tmp_path / "special_tokens_map.json").write_text(json.dumps(special))
    config = {"mask_token": {"content": "<mask>", "lstrip": True}, "additional_special_tokens": ["<ent>", "<gone>"]}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    vocabulary, _ = read_folder(tmp_path)
    assert (vocabulary.cls_id, vocabulary.mask_id, vocabulary.special_ids) == (0, 4, (0, 1, 2, 3, 4, 5))


def test_added_tokens_continue_the_vocabulary(folder: Path) -> None:
    added = {"id": 9, "content": "[ENT]", "special": True}
    change_json(folder / "tokenizer.json", lambda value: value["added_tokens"].append(added))
    vocabulary, _ = read_folder(folder)
    assert vocabulary.tokens[9] == "[ENT]"
    assert vocabulary.special_ids == (0, 1, 2, 3, 4, 9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v["model"].update(type="BPE"), "its model is BPE and not WordPiece; give a BERT tokenizer"),
        (lambda v: v.update(normalizer=None), "its normalizer is None and not BertNormalizer"),
        (lambda v: v.update(pre_tokenizer={"type": "Whitespace"}), "its pre_tokenizer is Whitespace"),
        (lambda v: v["model"].update(continuing_subword_prefix="@@"), "continuing_subword_prefix is '@@'"),
        (
            lambda v: v["model"].update(max_input_chars_per_word=200),
            "max_input_chars_per_word is 200 and BERT",
        ),
        (lambda v: v["normalizer"].update(handle_chinese_chars=False), "handle_chinese_chars is False"),
        (lambda v: v["normalizer"].update(lowercase="yes"), "lowercase and strip_accents are 'yes' and None"),
        (lambda v: v["model"]["vocab"].update(a=17), r"vocabulary is damaged \(the ids are not 0, 1, 2 and so on\)"),
        (lambda v: v["model"].update(vocab=["a"]), r"vocabulary is damaged \(vocab is not an object\)"),
        (lambda v: v["model"]["vocab"].update(a="x"), "vocabulary is damaged"),
        (lambda v: v["added_tokens"][0].update(id=3), r"vocabulary is damaged \('\[PAD\]' has two ids\)"),
        (lambda v: v.update(added_tokens=[1]), "vocabulary is damaged"),
    ],
)
def test_a_tokenizer_json_that_is_not_berts_is_refused(
    folder: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    change_json(folder / "tokenizer.json", change)
    with pytest.raises(InputError, match=message) as caught:
        read_folder(folder)
    assert str(folder / "tokenizer.json") in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tokenizer.json", b'{"model": ', "is not readable JSON"),
        ("tokenizer.json", b"[" * 100_000, "is not readable JSON"),
        ("tokenizer.json", b"[]", "holds a list where an object is expected"),
        ("tokenizer_config.json", b"\xff", "is not readable JSON"),
        ("tokenizer_config.json", b'{"mask_token": 3}', "the special token 3 is not text"),
        ("tokenizer_config.json", b'{"mask_token": "<m>"}', "the special token '<m>' is not among the 9 pieces"),
        ("vocab.txt", b"[PAD]\nother\n", "list different pieces; remove the one that is not right"),
        ("vocab.txt", b"a\xff\n", "is not readable UTF-8 text"),
        ("vocab.txt", b"", "is empty"),
        ("vocab.txt", b"a\n\nb\n", "line 2 is empty"),
        ("vocab.txt", b"a\nb\na\n", "line 3 repeats 'a' of line 1"),
    ],
)
def test_a_damaged_file_is_named(folder: Path, name: str, content: bytes, message: str) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_folder(folder)
    assert str(folder) in str(caught.value)


def test_a_missing_folder_or_file_is_named(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(InputError, match=r"no tokenizer folder .*nowhere; give one that holds tokenizer\.json"):
        read_folder(tmp_path / "nowhere")
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").unlink()
    with pytest.raises(InputError, match=r"has neither tokenizer\.json nor vocab\.txt; copy the folder again"):
        read_folder(folder)


def test_what_a_file_cannot_hold_is_refused(tmp_path: Path) -> None:
    vocabulary = Vocabulary.from_tokens([*PIECES, "a\nb"])
    with pytest.raises(InputError, match=r"the piece 'a\\nb' has a line end, which vocab\.txt cannot hold"):
        write_folder(tmp_path / "tokenizer", vocabulary, lowercase=True, strip_accents=True)
    assert not (tmp_path / "tokenizer").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write to the folder"):
        write_folder(tmp_path / "file", Vocabulary.from_tokens(PIECES), lowercase=True, strip_accents=True)
