"""The files of a SentencePiece tokenizer: the model file, and what Hugging Face's libraries read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from kpt.errors import InputError
from kpt.files import atomic_file, check_writable_folder, write_json
from kpt.text.folder_files import added_tokens, token_config
from kpt.text.sentencepiece_model import BYTE, NORMAL, SPACE, SentencePieceModel, parse_model

__all__ = ["find_model", "read_folder", "write_folder"]

#: What published folders call the model file; the first is what is written.
MODEL_FILES = ("tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "sentencepiece.model")

_NEVER = -1e6


def find_model(folder: Path) -> Path | None:
    """Return the model file of a folder; None where it has none."""
    return next((folder / name for name in MODEL_FILES if (folder / name).is_file()), None)


def write_folder(folder: str | os.PathLike[str], model: SentencePieceModel) -> None:
    """Write tokenizer.model, tokenizer.json and tokenizer_config.json, each atomically.

    Raises:
        InputError: the folder cannot be written.
    """
    path = check_writable_folder(folder)
    with atomic_file(path / MODEL_FILES[0]) as temporary:
        temporary.write_bytes(model.serialize())
    names = {"unk_token": "unk", "eos_token": "end", "pad_token": "pad"}
    write_json(path / "tokenizer.json", _tokenizer_json(model))
    write_json(path / "tokenizer_config.json", token_config("PreTrainedTokenizerFast", model.vocabulary, **names))


def read_folder(folder: str | os.PathLike[str]) -> SentencePieceModel:
    """Read the model of a folder, or a model file; nothing else is read.

    Raises:
        InputError: there is none, or it is damaged or of a kind that kpt has not.
    """
    path = Path(folder)
    source = path if path.is_file() else find_model(path)
    if source is None:
        raise InputError(f"there is no SentencePiece model in {path}; give a folder with {' or '.join(MODEL_FILES)}")
    try:
        content = source.read_bytes()
    except OSError as error:
        raise InputError(f"{source} cannot be read ({error.strerror}); give a tokenizer's folder") from error
    return parse_model(content, source)


def _tokenizer_json(model: SentencePieceModel) -> dict[str, Any]:
    normalizers: list[dict[str, Any]] = []
    decoders: list[dict[str, Any]] = [
        {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
    ]
    if model.collapse_spaces:
        normalizers.append({"type": "Replace", "pattern": {"Regex": "^ +| +$"}, "content": ""})
        normalizers.append({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "})
    if model.dummy_prefix:
        normalizers.append({"type": "Prepend", "prepend": SPACE})
        decoders.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    normalizers.append({"type": "Replace", "pattern": {"String": " "}, "content": SPACE})
    split = {"type": "Split", "pattern": {"String": SPACE}, "behavior": "MergedWithNext", "invert": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added_tokens(model.vocabulary),
        "normalizer": {"type": "Sequence", "normalizers": normalizers},
        "pre_tokenizer": split if model.divisible else None,
        "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": decoders},
        "model": _unigram(model) if model.algorithm == "unigram" else _byte_pairs(model),
    }


def _unigram(model: SentencePieceModel) -> dict[str, Any]:
    # In `tokenizers` every piece matches its text, in SentencePiece the ordinary ones alone do.
    vocab = [[text, score if kind not in (2, 3, BYTE) else _NEVER] for text, score, kind in model.pieces]
    unknown = model.roles["unk"]
    return {"type": "Unigram", "unk_id": unknown, "vocab": vocab, "byte_fallback": model.byte_fallback}


def _byte_pairs(model: SentencePieceModel) -> dict[str, Any]:
    """Every way in which a piece is made of two, in the order of the scores of what they make."""
    index = {text: i for i, (text, _, kind) in enumerate(model.pieces) if kind == NORMAL}
    merges: list[tuple[float, int, int, list[str]]] = []
    for text in index:
        for at in range(1, len(text)):
            left, right = text[:at], text[at:]
            if left in index and right in index:
                merges.append((-model.pieces[index[text]][1], index[left], index[right], [left, right]))
    merges.sort(key=lambda merge: merge[:3])
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": model.pieces[model.roles["unk"]][0],
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": True,
        "byte_fallback": model.byte_fallback,
        "ignore_merges": False,
        "vocab": {text: i for i, (text, _, _) in enumerate(model.pieces)},
        "merges": [pair for _, _, _, pair in merges],
    }
