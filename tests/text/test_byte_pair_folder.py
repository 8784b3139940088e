from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kpt.errors import InputError
from kpt.text.byte_pair_bytes import BYTE_CHARACTERS
from kpt.text.byte_pair_folder import check_pieces, read_folder, write_folder
from kpt.text.vocabulary import Vocabulary

TOKENS = [*BYTE_CHARACTERS, "ab", "Ġc", "abĠc", "<|endoftext|>"]
MERGES = [("a", "b"), ("Ġ", "c"), ("ab", "Ġc")]
ROLES = {"pad": "<|endoftext|>", "end": "<|endoftext|>"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "tokenizer"
    write_folder(path, Vocabulary.from_tokens(TOKENS, ROLES), MERGES)
    return path


def change_json(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(json.dumps(value), encoding="utf-8")


def test_what_is_written_is_read(folder: Path) -> None:
    names = ["merges.txt", "tokenizer.json", "tokenizer_config.json", "vocab.json"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert read_folder(folder) == (Vocabulary.from_tokens(TOKENS, ROLES), MERGES)
    assert (folder / "merges.txt").read_text(encoding="utf-8") == "#version: 0.2\na b\nĠ c\nab Ġc\n"


def test_a_published_folder_of_two_files_alone(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    assert read_folder(folder) == (Vocabulary.from_tokens(TOKENS, ROLES), MERGES)
    (folder / "merges.txt").write_bytes("#version: 0.2\r\na b\r\n\r\nĠ c\r\nab Ġc".encode())
    assert read_folder(folder)[1] == MERGES


def test_merges_of_older_files_are_strings(folder: Path) -> None:
    change_json(folder / "tokenizer.json", lambda v: v["model"].update(merges=["a b", "Ġ c", "ab Ġc"]))
    assert read_folder(folder)[1] == MERGES


def test_declared_special_tokens_have_their_roles(folder: Path) -> None:
    ids = {token: i for i, token in enumerate([*TOKENS, "<s>", "</s>", "<pad>", "<mask>", "<other>"])}
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.json").write_text(json.dumps(ids))
    config = {
        **{"cls_token": "<s>", "bos_token": "<s>", "sep_token": "</s>", "eos_token": "</s>", "pad_token": "<pad>"},
        **{"mask_token": {"content": "<mask>"}, "add_bos_token": False, "additional_special_tokens": ["<other>"]},
        "unk_token": "<|endoftext|>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    vocabulary, _ = read_folder(folder)
    assert dict(vocabulary.roles) == {"cls": 260, "sep": 261, "end": 261, "pad": 262, "mask": 263}
    assert vocabulary.special_ids == (259, 260, 261, 262, 263, 264)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.update(model={"type": "WordPiece"}), "its model is not BPE; give a GPT-2 tokenizer"),
        (lambda v: v.update(pre_tokenizer={"type": "Metaspace"}), "its text is not split to words as GPT-2 does"),
        (lambda v: v.update(normalizer={"type": "NFC"}), "its text is not split to words as GPT-2 does"),
        (lambda v: v["pre_tokenizer"].update(add_prefix_space=True), "add_prefix_space is True and GPT-2's is False"),
        (lambda v: v["pre_tokenizer"].update(use_regex=False), "use_regex is False and GPT-2's is True"),
        (lambda v: v["model"].update(ignore_merges=True), "ignore_merges is True and GPT-2's is False"),
        (lambda v: v["model"].update(dropout=0.1), r"dropout is 0\.1 and GPT-2's is None"),
        (lambda v: v["model"].update(end_of_word_suffix="</w>"), "end_of_word_suffix is '</w>' and GPT-2's is ''"),
        (lambda v: v["added_tokens"][0].update(special=False), "the added token '<|endoftext|>' is not special"),
        (lambda v: v["model"].update(vocab=[]), "its vocabulary is damaged"),
        (lambda v: v["model"]["vocab"].update(ab=1000), "its vocabulary is damaged"),
        (lambda v: v["model"].update(merges={}), "its merges are no list"),
        (lambda v: v["model"].update(merges=["a b", "a b c"]), "merge 2: 'a b c' is not two pieces"),
        (lambda v: v["model"].update(merges=[["a"]]), r"merge 1: \['a'\] is not two pieces"),
        (lambda v: v["model"].update(merges=["a c"]), "merge 1 has 'ac', which is no piece"),
    ],
)
def test_what_is_no_gpt2_tokenizer_is_refused(
    folder: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    change_json(folder / "tokenizer.json", change)
    with pytest.raises(InputError, match=rf"tokenizer\.json.*{message}"):
        read_folder(folder)


def test_missing_and_damaged_files(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no tokenizer folder"):
        read_folder(tmp_path / "nowhere")
    (folder / "tokenizer.json").unlink()
    (folder / "merges.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"merges\.txt is not readable UTF-8 text"):
        read_folder(folder)
    (folder / "merges.txt").write_text("#version: 0.2\na\n")
    with pytest.raises(InputError, match=r"merges\.txt, line 2: 'a' is not two pieces"):
        read_folder(folder)
    (folder / "merges.txt").unlink()
    with pytest.raises(InputError, match=r"merges\.txt is not readable"):
        read_folder(folder)
    (folder / "vocab.json").write_text("[")
    with pytest.raises(InputError, match=r"vocab\.json is not readable JSON"):
        read_folder(folder)
    (folder / "vocab.json").unlink()
    with pytest.raises(InputError, match=r"has neither tokenizer\.json nor vocab\.json"):
        read_folder(folder)


@pytest.mark.parametrize(
    ("tokens", "merges", "message"),
    [
        (TOKENS[1:], MERGES, "there is no piece 'Ā' for the byte 0"),
        ([*TOKENS, "a b"], MERGES, "the piece 'a b' with id 260 is not made of bytes"),
        (TOKENS, [*MERGES, ("a", "b")], "merge 4 repeats 'a' and 'b'"),
        ([*TOKENS, "<|", "endoftext|>"], [("<|", "endoftext|>")], "merge 1 has the special token"),
    ],
)
def test_pieces_and_merges_that_do_not_fit(tokens: list[str], merges: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_pieces(Vocabulary.from_tokens(tokens, ROLES), merges)
