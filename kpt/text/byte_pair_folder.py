"""The files of a byte-level BPE tokenizer, as Hugging Face's libraries and the published GPT-2 folders have them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kpt.errors import InputError
from kpt.files import atomic_file, check_writable_folder, write_json
from kpt.text.byte_pair_bytes import BYTE_CHARACTERS
from kpt.text.folder_files import REMEDY, added_tokens, declared_tokens, ids_in_order, read_json, token_config
from kpt.text.vocabulary import Vocabulary

__all__ = ["END_OF_TEXT", "read_folder", "read_merges", "write_folder"]

#: GPT-2's special token, which ends a text.
END_OF_TEXT = "<|endoftext|>"

# Which role has the token that each of these names declares, from the weakest to the strongest claim.
_DECLARED = {"mask_token": "mask", "sep_token": "sep", "cls_token": "cls", "pad_token": "pad", "eos_token": "end"}

Merges = list[tuple[str, str]]


def write_folder(folder: str | os.PathLike[str], vocabulary: Vocabulary, merges: Sequence[tuple[str, str]]) -> None:
    """Write tokenizer.json, vocab.json, merges.txt and tokenizer_config.json, each atomically.

    Raises:
        InputError: the folder cannot be written.
    """
    path = check_writable_folder(folder)
    ids = {token: i for i, token in enumerate(vocabulary.tokens)}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added_tokens(vocabulary),
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": {**byte_level, "trim_offsets": False},
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": ids,
            "merges": [list(pair) for pair in merges],
        },
    }
    write_json(path / "tokenizer.json", tokenizer)
    write_json(path / "vocab.json", ids)
    with atomic_file(path / "merges.txt") as temporary:
        lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
        temporary.write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="\n")
    names = {"bos_token": "end", "eos_token": "end", "unk_token": "end", "pad_token": "pad"}
    names |= {name: role for name, role in _DECLARED.items() if role in ("mask", "sep", "cls")}
    config = token_config("GPT2Tokenizer", vocabulary, **names)
    write_json(path / "tokenizer_config.json", {**config, "add_prefix_space": False})


def read_folder(folder: str | os.PathLike[str]) -> tuple[Vocabulary, Merges]:
    """Read the vocabulary and the merges; only text and JSON are read.

    They come from tokenizer.json, or from vocab.json and merges.txt where there is none. The end of text is the
    declared `eos_token`, else `<|endoftext|>`; it also pads where no `pad_token` is declared.

    Raises:
        InputError: a file is missing or damaged, or the tokenization is not GPT-2's.
    """
    path = Path(folder)
    if not path.is_dir():
        raise InputError(f"there is no tokenizer folder {path}; give one that holds tokenizer.json or vocab.json")
    declared, others = declared_tokens(path)
    source = path / "tokenizer.json"
    if source.exists():
        tokens, merges, added = _read_tokenizer_json(source)
    elif (source := path / "vocab.json").exists():
        tokens, _ = ids_in_order(read_json(source), (), source)
        merges, added = read_merges(path / "merges.txt"), []
    else:
        raise InputError(f"the folder {path} has neither tokenizer.json nor vocab.json; {REMEDY}")
    known = set(tokens)
    ends = declared.get("eos_token", END_OF_TEXT)
    roles: dict[str, str] = {}
    for name, role in _DECLARED.items():
        token = declared.get(name, ends if role in ("pad", "end") else None)
        if token is None or (token not in known and role not in ("pad", "end")):
            continue
        roles = {other: t for other, t in roles.items() if t != token or role == "end"}
        roles[role] = token
    others += [*added, *(token for token in declared.values())]
    try:
        vocabulary = Vocabulary.from_tokens(tokens, roles, [token for token in others if token in known])
        check_pieces(vocabulary, merges)
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    return vocabulary, merges


def check_pieces(vocabulary: Vocabulary, merges: Sequence[tuple[str, str]]) -> None:
    """Make sure that the pieces can spell every byte and that merges make pieces.

    Raises:
        InputError: they do not, or a piece that is not special is not made of byte characters.
    """
    alphabet = frozenset(BYTE_CHARACTERS)
    index, special = vocabulary.index, set(vocabulary.special_ids)
    for byte, character in enumerate(BYTE_CHARACTERS):
        if character not in index:
            raise InputError(f"there is no piece {character!r} for the byte {byte}; give a byte-level vocabulary")
    for i, token in enumerate(vocabulary.tokens):
        if i not in special and not alphabet.issuperset(token):
            raise InputError(f"the piece {token!r} with id {i} is not made of bytes; give a byte-level vocabulary")
    seen: set[tuple[str, str]] = set()
    for number, (left, right) in enumerate(merges, 1):
        for token in (left, right, left + right):
            if token not in index:
                raise InputError(
                    f"merge {number} has {token!r}, which is no piece; give the vocabulary of these merges"
                )
            if index[token] in special:
                raise InputError(f"merge {number} has the special token {token!r}; give merges of ordinary pieces")
        if (left, right) in seen:
            raise InputError(f"merge {number} repeats {left!r} and {right!r}; give each pair once")
        seen.add((left, right))


def _read_tokenizer_json(path: Path) -> tuple[list[str], Merges, list[str]]:
    """The pieces by id, the merges, and the added tokens."""
    value = read_json(path)
    model, splitter = value.get("model"), value.get("pre_tokenizer")
    if not isinstance(model, dict) or model.get("type") != "BPE":
        raise InputError(f"{path}: its model is not BPE; give a GPT-2 tokenizer")
    if not isinstance(splitter, dict) or splitter.get("type") != "ByteLevel" or value.get("normalizer") is not None:
        raise InputError(f"{path}: its text is not split to words as GPT-2 does; give a GPT-2 tokenizer")
    # Each setting with what stands for it where it is not written, and what GPT-2 has. There is no unknown token: every
    # byte has a piece.
    settings: list[tuple[dict[str, Any], str, Any, Any]] = [
        (model, "dropout", None, None),
        (model, "byte_fallback", False, False),
        (model, "ignore_merges", False, False),
        (model, "continuing_subword_prefix", "", ""),
        (model, "end_of_word_suffix", "", ""),
        (splitter, "use_regex", True, True),
        (splitter, "add_prefix_space", True, False),
    ]
    for section, name, default, wanted in settings:
        found = section.get(name, default)
        if (default if found is None else found) != wanted:
            raise InputError(f"{path}: {name} is {found!r} and GPT-2's is {wanted!r}; give a GPT-2 tokenizer")
    tokens, added = ids_in_order(model.get("vocab"), value.get("added_tokens") or [], path)
    for token, is_special in added.items():
        if not is_special:
            raise InputError(f"{path}: the added token {token!r} is not special; give a tokenizer without such tokens")
    pairs = model.get("merges")
    if not isinstance(pairs, list):
        raise InputError(f"{path}: its merges are no list; {REMEDY}")
    return tokens, [_pair(pair, f"{path}, merge {number}") for number, pair in enumerate(pairs, 1)], list(added)


def read_merges(path: Path) -> Merges:
    """Read merges.txt.

    Raises:
        InputError: it is not readable, or a line is not two pieces.
    """
    try:
        lines = path.read_bytes().decode("utf-8").replace("\r\n", "\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not readable UTF-8 text ({error}); {REMEDY}") from error
    numbered = [(n, line) for n, line in enumerate(lines, 1) if line and not (n == 1 and line.startswith("#version"))]
    return [_pair(line, f"{path}, line {number}") for number, line in numbered]


def _pair(value: Any, place: str) -> tuple[str, str]:
    parts = value.split(" ") if isinstance(value, str) else value
    if not isinstance(parts, list) or len(parts) != 2 or not all(isinstance(part, str) and part for part in parts):
        raise InputError(f"{place}: {value!r} is not two pieces; {REMEDY}")
    return parts[0], parts[1]
