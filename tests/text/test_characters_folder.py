from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kpt.errors import InputError
from kpt.text.characters_folder import read_folder, write_folder
from kpt.text.vocabulary import Vocabulary

ROLES = {"unk": "<unk>", "end": "<|endoftext|>", "pad": "<|endoftext|>"}


@pytest.mark.parametrize("roles", [{}, {"unk": "<unk>"}, ROLES])
def test_what_is_written_is_read(tmp_path: Path, roles: dict[str, str]) -> None:
    vocabulary = Vocabulary.from_tokens(["\n", "\r", " ", "a", "\u2028", *dict.fromkeys(roles.values())], roles)
    write_folder(tmp_path, vocabulary)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tokenizer.json", "tokenizer_config.json"]
    assert read_folder(tmp_path) == vocabulary


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.update(model={"type": "BPE"}), "does not split text to characters"),
        (lambda v: v.update(pre_tokenizer={"type": "Whitespace"}), "does not split text to characters"),
        (lambda v: v.update(normalizer={"type": "NFC"}), "does not split text to characters"),
        (lambda v: v["model"].update(vocab={"a": 0, "b": 5}), "its vocabulary is damaged"),
        (lambda v: v.update(added_tokens=[]) or v["model"]["vocab"].pop("<unk>"), "the special token '<unk>' is not"),
    ],
)
def test_what_is_no_character_tokenizer_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    write_folder(tmp_path, Vocabulary.from_tokens(["a", "b", "<unk>"], {"unk": "<unk>"}))
    value = json.loads((tmp_path / "tokenizer.json").read_text())
    change(value)
    (tmp_path / "tokenizer.json").write_text(json.dumps(value))
    with pytest.raises(InputError, match=rf"tokenizer\.json.*{message}"):
        read_folder(tmp_path)


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no tokenizer\.json in the folder"):
        read_folder(tmp_path / "nowhere")
