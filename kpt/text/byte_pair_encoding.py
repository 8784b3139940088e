"""Byte-level BPE outside a graph: each distinct word is merged once, by Hugging Face's `tokenizers`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kpt.text.byte_pair_bytes import bytes_to_characters, characters_to_bytes
from kpt.text.clean import replace_surrogates
from kpt.text.vocabulary import Vocabulary
from kpt.text.word_classes import WHITE_SPACE
from kpt.text.word_ids import WordIds

if TYPE_CHECKING:
    import tokenizers

__all__ = ["OfflineBytePair", "byte_level_tokenizer", "byte_pair_model", "piece_bytes"]

_BATCH_CHARACTERS = 1 << 20
_NOT_ASCII = r"(?![^\x00-\x7f])"
# What a byte becomes that is not part of valid UTF-8.
_ESCAPED = re.compile("[\udc80-\udcff]")

#: Cuts a text so that GPT-2's pattern cuts nothing across. Its words are found where they are ASCII and what follows
#: is too; of other text each run up to the next white space is one part, with the space before it. No word of the
#: pattern goes on behind its last character that is not white space, so that it cuts each part as it does the whole.
_PART = re.compile(
    rf" ?[A-Za-z]++{_NOT_ASCII}"
    rf"|'(?:[stmd]|re|ve|ll)"
    rf"| ?[!-/:-@\[-`{{-~\x00-\x08\x0e-\x1f\x7f]++{_NOT_ASCII}"
    rf"| ?[0-9]++{_NOT_ASCII}"
    rf"|[{WHITE_SPACE}]+(?![^{WHITE_SPACE}])"
    rf"| ?[^{WHITE_SPACE}]+"
    rf"|[{WHITE_SPACE}]+"
)


class OfflineBytePair:
    """Encodes texts by a table of their parts; what is not in the table goes to `tokenizers`.

    Args:
        tokens: the pieces by id, in byte characters.
        merges: the pairs of pieces that are joined, the first ones first.
    """

    def __init__(self, tokens: Sequence[str], merges: Sequence[tuple[str, str]]) -> None:
        self._tokens, self._merges = tokens, merges
        self._table: WordIds | None = None

    def encode(self, texts: Sequence[str | bytes]) -> tuple[np.ndarray, np.ndarray]:
        """Return the ids of all texts, int32 [n], and their row splits, int64 [len(texts) + 1]."""
        if self._table is None:
            self._backend = byte_level_tokenizer(self._tokens, self._merges)
            self._table = WordIds(self._encode_parts)
        values, lengths = [np.zeros(0, np.int32)], [np.zeros(1, np.int64)]
        for parts, counts in _batches(texts):
            ids, ends = self._table.gather(self._table.numbers(parts))
            values.append(ids)
            lengths.append(np.diff(np.append(0, ends)[np.cumsum(counts)], prepend=0))
        return np.concatenate(values), np.cumsum(np.concatenate(lengths))

    def _encode_parts(self, parts: list[str]) -> Iterator[list[int]]:
        valid = [part for part in parts if not _ESCAPED.search(part)]
        encodings = iter(self._backend.encode_batch_fast(valid, add_special_tokens=False))
        for part in parts:
            yield self._with_escapes(part) if _ESCAPED.search(part) else next(encodings).ids

    def _with_escapes(self, part: str) -> list[int]:
        """The ids of a part with bytes that are not UTF-8: they stand in words as U+FFFD does."""
        words = self._backend.pre_tokenizer.pre_tokenize_str(_ESCAPED.sub("\ufffd", part))
        spelled = (bytes_to_characters(part[a:b].encode("utf-8", "surrogateescape")) for _, (a, b) in words)
        return [token.id for word in spelled for token in self._backend.model.tokenize(word)]

    def __getstate__(self) -> dict[str, Any]:
        return {"_tokens": self._tokens, "_merges": self._merges, "_table": None}


def piece_bytes(vocabulary: Vocabulary) -> list[bytes]:
    """Return the bytes that each piece stands for; a special token stands for its text."""
    special = set(vocabulary.special_ids)
    return [t.encode() if i in special else characters_to_bytes(t) for i, t in enumerate(vocabulary.tokens)]


def byte_pair_model(tokens: Sequence[str], merges: Sequence[tuple[str, str]]) -> tokenizers.models.BPE:
    """Return the model of `tokenizers`: from words in byte characters to pieces."""
    from tokenizers import models

    return models.BPE({token: i for i, token in enumerate(tokens)}, list(merges))


def byte_level_tokenizer(tokens: Sequence[str], merges: Sequence[tuple[str, str]]) -> tokenizers.Tokenizer:
    """Return a Hugging Face tokenizer in which no text matches a special token."""
    from tokenizers import Tokenizer, pre_tokenizers

    tokenizer = Tokenizer(byte_pair_model(tokens, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer


def _batches(texts: Sequence[str | bytes]) -> Iterator[tuple[list[str], list[int]]]:
    """The parts of about a million characters of text, and how many of them each text has."""
    parts: list[str] = []
    counts: list[int] = []
    characters = 0
    for text in texts:
        if isinstance(text, bytes):
            text = text.decode("utf-8", "surrogateescape")
        elif not text.isascii():
            text = replace_surrogates(text)
        found = _PART.findall(text)
        parts += found
        counts.append(len(found))
        characters += len(text)
        if characters >= _BATCH_CHARACTERS:
            yield parts, counts
            parts, counts, characters = [], [], 0
    if counts:
        yield parts, counts
