"""The files of a tokenizer of whole words, as Hugging Face's `tokenizers` has them, and the words' counts."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from kpt.errors import InputError
from kpt.files import check_writable_folder, write_json
from kpt.text.vocabulary import Vocabulary
from kpt.text.words_splitting import WHITE_SPACE

_REMEDY = "copy the folder again, or train the tokenizer again"


def write_folder(
    folder: str | os.PathLike[str],
    vocabulary: Vocabulary,
    counts: np.ndarray | None,
    *,
    lowercase: bool,
    word_pattern: str | None,
) -> None:
    """Write tokenizer.json and, where counts are known, word_counts.json (counts by id), each atomically.

    Raises:
        InputError: the folder cannot be written.
    """
    path = check_writable_folder(folder)
    write_json(path / "tokenizer.json", _tokenizer_json(vocabulary, lowercase, word_pattern))
    if counts is not None:
        write_json(path / "word_counts.json", {"counts": counts.tolist()})
    else:
        (path / "word_counts.json").unlink(missing_ok=True)


def read_folder(folder: str | os.PathLike[str]) -> tuple[Vocabulary, np.ndarray | None, dict[str, Any]]:
    """Read the vocabulary, the counts (None: there are none) and the options `lowercase` and `word_pattern`.

    Raises:
        InputError: a file is missing or damaged, or the tokenizer is not one of whole words.
    """
    path = Path(folder) / "tokenizer.json"
    value = _read_json(path)
    try:
        model = value["model"]
        if model["type"] != "WordLevel":
            raise ValueError(f"its kind is {model['type']!r} and not 'WordLevel'")
        ids, unknown = model["vocab"], model["unk_token"]
        tokens = sorted(ids, key=ids.__getitem__)
        if [ids[token] for token in tokens] != list(range(len(tokens))):
            raise ValueError("the ids are not 0, 1, 2 and so on")
        lowercase = _lowercase(value["normalizer"])
        word_pattern = _word_pattern(value["pre_tokenizer"])
        vocabulary = Vocabulary.from_tokens(tokens, {"unk": unknown})
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is no tokenizer of whole words, or damaged ({error}); {_REMEDY}") from error
    return (
        vocabulary,
        _read_counts(Path(folder) / "word_counts.json", vocabulary.size),
        {
            "lowercase": lowercase,
            "word_pattern": word_pattern,
        },
    )


def _read_counts(path: Path, size: int) -> np.ndarray | None:
    if not path.exists():
        return None
    counts = _read_json(path).get("counts")
    if not isinstance(counts, list) or len(counts) != size or not all(type(c) is int and c >= 0 for c in counts):
        raise InputError(f"{path} does not have a count for each of the {size} words; {_REMEDY}")
    try:
        return np.array(counts, np.int64)
    except OverflowError as error:
        raise InputError(f"{path} has a count beyond 2^63; {_REMEDY}") from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"there is no {path}; give the folder of a tokenizer of whole words") from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is not readable JSON ({error}); {_REMEDY}") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} holds a {type(value).__name__} where an object is expected; {_REMEDY}")
    return value


def _normalizer(lowercase: bool) -> dict[str, Any] | None:
    if not lowercase:
        return None
    return {"type": "Lowercase"}


def _pre_tokenizer(word_pattern: str | None) -> dict[str, Any]:
    """Cut at white space, or keep the matches of the pattern alone."""
    pattern = f"[{WHITE_SPACE}]+" if word_pattern is None else word_pattern
    return {
        "type": "Split",
        "pattern": {"Regex": pattern},
        "behavior": "Removed",
        "invert": word_pattern is not None,
    }


def _lowercase(normalizer: Any) -> bool:
    for lowercase in (False, True):
        if normalizer == _normalizer(lowercase):
            return lowercase
    raise ValueError("its normalizer is not Lowercase or null")


def _word_pattern(pre_tokenizer: Any) -> str | None:
    if pre_tokenizer in (_pre_tokenizer(None), {"type": "WhitespaceSplit"}):
        return None
    pattern = pre_tokenizer["pattern"]["Regex"]
    if not isinstance(pattern, str) or pre_tokenizer != _pre_tokenizer(pattern):
        raise ValueError("its pre_tokenizer cuts in another way than kpt does")
    return pattern


def _tokenizer_json(vocabulary: Vocabulary, lowercase: bool, word_pattern: str | None) -> dict[str, Any]:
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": _normalizer(lowercase),
        "pre_tokenizer": _pre_tokenizer(word_pattern),
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "WordLevel",
            "vocab": {token: i for i, token in enumerate(vocabulary.tokens)},
            "unk_token": vocabulary.tokens[vocabulary.unk_id],
        },
    }
