"""The files of a character tokenizer, as Hugging Face's libraries have them."""

from __future__ import annotations

import os
from pathlib import Path

from kpt.errors import InputError
from kpt.files import check_writable_folder, write_json
from kpt.text.folder_files import REMEDY, added_tokens, declared_tokens, ids_in_order, read_json, token_config
from kpt.text.vocabulary import Vocabulary

__all__ = ["read_folder", "write_folder"]

#: The pre-tokenizer by which a tokenizer.json of characters is known.
EACH_CHARACTER = {"type": "Split", "pattern": {"Regex": r"[\s\S]"}, "behavior": "Isolated", "invert": False}
_NAMES = {"unk_token": "unk", "eos_token": "end", "pad_token": "pad"}


def write_folder(folder: str | os.PathLike[str], vocabulary: Vocabulary) -> None:
    """Write tokenizer.json and tokenizer_config.json, each atomically.

    Raises:
        InputError: the folder cannot be written.
    """
    path = check_writable_folder(folder)
    unknown = vocabulary.tokens[vocabulary.unk_id] if "unk" in vocabulary.roles else "<unk>"
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added_tokens(vocabulary),
        "normalizer": None,
        "pre_tokenizer": EACH_CHARACTER,
        "post_processor": None,
        "decoder": {"type": "Fuse"},
        "model": {
            "type": "WordLevel",
            "vocab": {token: i for i, token in enumerate(vocabulary.tokens)},
            "unk_token": unknown,
        },
    }
    write_json(path / "tokenizer.json", tokenizer)
    write_json(path / "tokenizer_config.json", token_config("PreTrainedTokenizerFast", vocabulary, **_NAMES))


def read_folder(folder: str | os.PathLike[str]) -> Vocabulary:
    """Read the vocabulary; only JSON is read.

    Raises:
        InputError: a file is missing or damaged, or the tokenization is not by characters.
    """
    path = Path(folder)
    source = path / "tokenizer.json"
    if not source.is_file():
        raise InputError(f"there is no tokenizer.json in the folder {path}; give a tokenizer's folder")
    value = read_json(source)
    model = value.get("model")
    by_character = value.get("pre_tokenizer") == EACH_CHARACTER and value.get("normalizer") is None
    if not isinstance(model, dict) or model.get("type") != "WordLevel" or not by_character:
        raise InputError(f"{source} does not split text to characters; give a character tokenizer")
    tokens, added = ids_in_order(model.get("vocab"), value.get("added_tokens") or [], source)
    declared, _ = declared_tokens(path)
    roles = {role: declared[name] for name, role in _NAMES.items() if name in declared}
    try:
        return Vocabulary.from_tokens(tokens, roles, [token for token, is_special in added.items() if is_special])
    except InputError as error:
        raise InputError(f"{source}: {error}; {REMEDY}") from error
