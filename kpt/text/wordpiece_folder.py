"""The files of a WordPiece tokenizer, as Hugging Face's libraries and the published BERT folders have them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kpt.errors import InputError
from kpt.files import atomic_file, check_writable_folder, write_json
from kpt.text.folder_files import REMEDY, added_tokens, declared_tokens, ids_in_order, read_json
from kpt.text.vocabulary import CONTINUATION_PREFIX, SPECIAL_TOKENS, Vocabulary

#: A word of more characters (after normalisation) becomes the unknown token.
MAXIMUM_WORD_CHARACTERS = 100


def write_folder(
    folder: str | os.PathLike[str], vocabulary: Vocabulary, *, lowercase: bool, strip_accents: bool
) -> None:
    """Write tokenizer.json, vocab.txt and tokenizer_config.json, each atomically.

    Raises:
        InputError: the folder cannot be written, or a piece has a line end, which vocab.txt cannot hold.
    """
    for token in vocabulary.tokens:
        if "\n" in token or "\r" in token:
            raise InputError(f"the piece {token!r} has a line end, which vocab.txt cannot hold; remove it")
    path = check_writable_folder(folder)
    names = {role: vocabulary.tokens[getattr(vocabulary, f"{role}_id")] for role in SPECIAL_TOKENS}
    accents = None if strip_accents == lowercase else strip_accents
    write_json(path / "tokenizer.json", _tokenizer_json(vocabulary, names, lowercase, accents))
    with atomic_file(path / "vocab.txt") as temporary:
        temporary.write_text("".join(token + "\n" for token in vocabulary.tokens), encoding="utf-8", newline="\n")
    others = [vocabulary.tokens[i] for i in vocabulary.special_ids if vocabulary.tokens[i] not in names.values()]
    config = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": lowercase,
        "strip_accents": accents,
        "tokenize_chinese_chars": True,
        **{f"{role}_token": token for role, token in names.items()},
        "additional_special_tokens": others,
        "clean_up_tokenization_spaces": False,
        "model_max_length": int(1e30),
    }
    write_json(path / "tokenizer_config.json", config)


def read_folder(folder: str | os.PathLike[str]) -> tuple[Vocabulary, dict[str, bool]]:
    """Read the vocabulary and the options `lowercase` and `strip_accents`; only text and JSON are read.

    Pieces come from tokenizer.json, or from vocab.txt where there is none; special tokens from tokenizer_config.json or
    special_tokens_map.json, and have BERT's names where neither gives others.

    Raises:
        InputError: a file is missing or damaged, the two lists of pieces differ, or the tokenization is not BERT's.
    """
    path = Path(folder)
    if not path.is_dir():
        raise InputError(f"there is no tokenizer folder {path}; give one that holds tokenizer.json or vocab.txt")
    json_path, text_path, config_path = (path / n for n in ("tokenizer.json", "vocab.txt", "tokenizer_config.json"))
    declared, others = declared_tokens(path)
    specials = {role: declared.get(f"{role}_token", token) for role, token in SPECIAL_TOKENS.items()}
    if json_path.exists():
        tokens, options, added = _read_tokenizer_json(json_path)
        others += added
        if text_path.exists() and (lines := read_vocabulary_text(text_path)) != tokens[: len(lines)]:
            raise InputError(f"{text_path} and {json_path} list different pieces; remove the one that is not right")
    elif text_path.exists():
        config = read_json(config_path) if config_path.exists() else {}
        tokens, options = read_vocabulary_text(text_path), _options(config, config_path)
    else:
        raise InputError(f"the folder {path} has neither tokenizer.json nor vocab.txt; {REMEDY}")
    source = json_path if json_path.exists() else text_path
    known = set(tokens)
    try:
        vocabulary = Vocabulary.from_tokens(tokens, specials, [token for token in others if token in known])
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    return vocabulary, options


def _tokenizer_json(
    vocabulary: Vocabulary, names: Mapping[str, str], lowercase: bool, accents: bool | None
) -> dict[str, Any]:
    cls_token, sep_token = names["cls"], names["sep"]
    first = [{"SpecialToken": {"id": cls_token, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    first.append({"SpecialToken": {"id": sep_token, "type_id": 0}})
    second = [{"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": sep_token, "type_id": 1}}]
    ids = {cls_token: vocabulary.cls_id, sep_token: vocabulary.sep_id}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added_tokens(vocabulary),
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": accents,
            "lowercase": lowercase,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": first,
            "pair": first + second,
            "special_tokens": {t: {"id": t, "ids": [i], "tokens": [t]} for t, i in ids.items()},
        },
        "decoder": {"type": "WordPiece", "prefix": CONTINUATION_PREFIX, "cleanup": False},
        "model": {
            "type": "WordPiece",
            "unk_token": names["unk"],
            "continuing_subword_prefix": CONTINUATION_PREFIX,
            "max_input_chars_per_word": MAXIMUM_WORD_CHARACTERS,
            "vocab": {token: i for i, token in enumerate(vocabulary.tokens)},
        },
    }


def read_vocabulary_text(path: Path) -> list[str]:
    """Read vocab.txt: a piece a line.

    Raises:
        InputError: it is not readable or empty, or a line is.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not readable UTF-8 text ({error}); {REMEDY}") from error
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    if lines[-1] == "":
        lines.pop()
    seen: dict[str, int] = {}
    for number, token in enumerate(lines, 1):
        if token == "" or token in seen:
            what = "is empty" if token == "" else f"repeats {token!r} of line {seen[token]}"
            raise InputError(f"{path}, line {number} {what}; a vocabulary has one new piece a line: {REMEDY}")
        seen[token] = number
    if not lines:
        raise InputError(f"{path} is empty; {REMEDY}")
    return lines


def _read_tokenizer_json(path: Path) -> tuple[list[str], dict[str, bool], list[str]]:
    """The pieces by id, the options, and the added tokens that are special."""
    value = read_json(path)
    parts: dict[str, dict[str, Any]] = {}
    for part, kind in (("model", "WordPiece"), ("normalizer", "BertNormalizer"), ("pre_tokenizer", "BertPreTokenizer")):
        section = value.get(part)
        found = section.get("type") if isinstance(section, dict) else None
        if not isinstance(section, dict) or found != kind:
            raise InputError(f"{path}: its {part} is {found} and not {kind}; give a BERT tokenizer")
        parts[part] = section
    model = parts["model"]
    expected = {
        "continuing_subword_prefix": CONTINUATION_PREFIX,
        "max_input_chars_per_word": MAXIMUM_WORD_CHARACTERS,
    }
    for name, wanted in expected.items():
        if model.get(name, wanted) != wanted:
            raise InputError(f"{path}: {name} is {model[name]!r} and BERT's is {wanted!r}; give a BERT tokenizer")
    tokens, added = ids_in_order(model.get("vocab"), value.get("added_tokens") or [], path)
    special = [token for token, is_special in added.items() if is_special]
    return tokens, _options(parts["normalizer"], path), special


def _options(values: Mapping[str, Any], path: Path) -> dict[str, bool]:
    """`lowercase` and `strip_accents` of a normalizer or a tokenizer_config.json."""
    lowercase = values.get("lowercase", values.get("do_lower_case", True))
    accents = values.get("strip_accents")
    if not isinstance(lowercase, bool) or not isinstance(accents, bool | None):
        raise InputError(f"{path}: lowercase and strip_accents are {lowercase!r} and {accents!r}; write true or false")
    for name in ("clean_text", "handle_chinese_chars", "tokenize_chinese_chars"):
        if values.get(name, True) is not True:
            raise InputError(f"{path}: {name} is {values[name]!r} and BERT's is true; give a BERT tokenizer")
    return {"lowercase": lowercase, "strip_accents": lowercase if accents is None else accents}
