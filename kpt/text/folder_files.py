"""What the folders of all kinds of tokenizers have in common: JSON, lists of pieces, declared special tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kpt.errors import InputError
from kpt.text.vocabulary import Vocabulary

__all__ = ["REMEDY", "added_tokens", "declared_tokens", "ids_in_order", "read_json", "token_config"]

#: What to do where a file is damaged.
REMEDY = "copy the folder again, or train the tokenizer again"


def read_json(path: Path) -> dict[str, Any]:
    """Read an object from a JSON file.

    Raises:
        InputError: it cannot be read, or holds something else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is not readable JSON ({error}); {REMEDY}") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} holds a {type(value).__name__} where an object is expected; {REMEDY}")
    return value


def declared_tokens(folder: Path) -> tuple[dict[str, str], list[str]]:
    """Return the special tokens by name (`pad_token`), and the additional ones, that a folder's files declare.

    What tokenizer_config.json says goes before what special_tokens_map.json says.

    Raises:
        InputError: a file is damaged.
    """
    named: dict[str, str] = {}
    others: list[str] = []
    for path in (folder / "special_tokens_map.json", folder / "tokenizer_config.json"):
        values = read_json(path) if path.exists() else {}
        for name, value in values.items():
            if name.endswith("_token") and value is not None and not isinstance(value, bool):
                named[name] = _token_text(value, path)
        more = values.get("additional_special_tokens") or []
        if not isinstance(more, list):
            raise InputError(f"{path}: additional_special_tokens is {str(more)[:80]!r} and no list; {REMEDY}")
        others += [_token_text(value, path) for value in more]
    return named, others


def ids_in_order(vocab: Any, added: Any, path: Path) -> tuple[list[str], dict[str, bool]]:
    """Return the pieces of a tokenizer.json in the order of their ids, and which of the added ones are special.

    Args:
        vocab: the model's `vocab`: ids by piece.
        added: its `added_tokens`.
        path: the file, for messages.

    Raises:
        InputError: the two are no such things, or their ids are not 0, 1, 2 and so on.
    """
    special: dict[str, bool] = {}
    try:
        if not isinstance(vocab, dict):
            raise TypeError("vocab is not an object")
        ids = dict(vocab)
        for token in added:
            if ids.setdefault(token["content"], token["id"]) != token["id"]:
                raise ValueError(f"{token['content']!r} has two ids")
            special[token["content"]] = bool(token["special"])
        tokens = sorted(ids, key=ids.__getitem__)
        if [ids[token] for token in tokens] != list(range(len(tokens))):
            raise ValueError("the ids are not 0, 1, 2 and so on")
    except (TypeError, KeyError, ValueError) as error:
        raise InputError(f"{path}: its vocabulary is damaged ({error}); {REMEDY}") from error
    return tokens, special


def added_tokens(vocabulary: Vocabulary) -> list[dict[str, Any]]:
    """Return the `added_tokens` of a tokenizer.json: the special tokens."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return [{"id": i, "content": vocabulary.tokens[i], **flags} for i in vocabulary.special_ids]


def token_config(kind: str, vocabulary: Vocabulary, **names: str) -> dict[str, Any]:
    """Return a tokenizer_config.json: the class of Hugging Face's `transformers`, and special tokens by name.

    Args:
        kind: `tokenizer_class`.
        vocabulary: the pieces.
        names: the role of the token that each `..._token` is, where the tokenizer has it.
    """
    tokens = {
        name: vocabulary.tokens[vocabulary.roles[role]] for name, role in names.items() if role in vocabulary.roles
    }
    others = [vocabulary.tokens[i] for i in vocabulary.special_ids if vocabulary.tokens[i] not in tokens.values()]
    return {
        "tokenizer_class": kind,
        **tokens,
        "additional_special_tokens": others,
        "clean_up_tokenization_spaces": False,
        "model_max_length": int(1e30),
    }


def _token_text(value: Any, path: Path) -> str:
    text = value.get("content") if isinstance(value, dict) else value
    if not isinstance(text, str):
        raise InputError(f"{path}: the special token {value!r} is not text; {REMEDY}")
    return text
