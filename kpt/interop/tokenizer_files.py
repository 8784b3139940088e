"""The files of a tokenizer for those who have no kpt: with the marks around a text that a model was trained with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kpt.data import sequence_marks
from kpt.files import write_json
from kpt.text import Tokenizer, Vocabulary, WordPieceTokenizer
from kpt.text.folder_files import read_json

__all__ = ["set_batches", "set_marks"]


def set_marks(folder: Path, tokenizer: Tokenizer, length: int) -> None:
    """Let `transformers` put around a text what the model was trained with, cut it, and keep its text plain.

    Args:
        folder: What `save` of the tokenizer wrote.
        tokenizer: The tokenizer.
        length: Tokens at most, marks included.
    """
    named, file = folder / "tokenizer_config.json", folder / "tokenizer.json"
    config = {**read_json(named), "model_max_length": length, "split_special_tokens": True}
    if not isinstance(tokenizer, WordPieceTokenizer):  # which has its marks in the file already
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
        write_json(file, {**read_json(file), "post_processor": _marks(tokenizer.vocabulary)})
    write_json(named, config)


def set_batches(folder: Path, tokenizer: Tokenizer, length: int) -> None:
    """Let `tokenizers` do so by the file alone: `Tokenizer.from_file(...).encode_batch(texts)` makes model inputs.

    Args:
        folder: What `set_marks` has seen to.
        tokenizer: The tokenizer.
        length: Tokens at most, marks included.
    """
    file, pad = folder / "tokenizer.json", sequence_marks(tokenizer.vocabulary).pad
    cut = {"direction": "Right", "max_length": length, "strategy": "LongestFirst", "stride": 0}
    padding = {
        **{"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": None},
        **{"pad_id": pad, "pad_type_id": 0, "pad_token": tokenizer.vocabulary.tokens[pad]},
    }
    # Without added tokens the text of one is text.
    write_json(file, {**read_json(file), "added_tokens": [], "truncation": cut, "padding": padding})


def _marks(vocabulary: Vocabulary) -> dict[str, Any] | None:
    """What puts [CLS] and [SEP], or in their places the end of a text, around a text."""
    marks = sequence_marks(vocabulary)
    begin, end = (
        [] if i is None else [{"SpecialToken": {"id": vocabulary.tokens[i], "type_id": 0}}]
        for i in (marks.begin, marks.separator)
    )
    if not begin and not end:
        return None
    text = [*begin, {"Sequence": {"id": "A", "type_id": 0}}, *end]
    second = [
        {"Sequence": {"id": "B", "type_id": 1}},
        *({"SpecialToken": {**e["SpecialToken"], "type_id": 1}} for e in end),
    ]
    ids = {vocabulary.tokens[i]: i for i in (marks.begin, marks.separator) if i is not None}
    return {
        "type": "TemplateProcessing",
        "single": text,
        "pair": [*text, *second],
        "special_tokens": {token: {"id": token, "ids": [i], "tokens": [token]} for token, i in ids.items()},
    }
