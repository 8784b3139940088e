"""WordPiece by looking up words: encoding without TensorFlow at several million tokens a second."""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import tokenizers

#: The table of words is emptied when its words have this many characters together: some 30 MB of memory.
_CAPACITY = 1 << 21
_SPACES = str.maketrans("\t\n\r", "   ")
_CHUNK = re.compile(r"[^ \t\r\n]+")
_ROW_END = "\n"


class WordTable:
    """The ids of each word met so far; a word is tokenized once, by a Hugging Face tokenizer.

    No step of BERT's tokenization looks beyond a space, so that the ids of a text are those of its parts between
    spaces, one after the other. A text of printable ASCII is cut further, to runs of letters and digits and single
    punctuation characters, after its letters are made lower case; these are BERT's words. Of other texts each part goes
    to the tokenizer as it is.

    Args:
        tokenizer: tokenizes what is not in the table.
        lowercase: whether the tokenizer lowercases.
        mask: a text that the tokenizer keeps whole; None: it has no such text.
    """

    def __init__(self, tokenizer: tokenizers.Tokenizer, *, lowercase: bool, mask: str | None = None) -> None:
        self._tokenizer = tokenizer
        self._mask = mask
        self._lowercase = lowercase
        self._word = re.compile(r"[a-z0-9]+|[^ a-z0-9]" if lowercase else r"[A-Za-z0-9]+|[^ A-Za-z0-9]")
        self._clear()

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the ids of all texts, int32 [n], and the number of ids of each text, int64 [len(texts)]."""
        words: list[str] = []
        plain: list[str] = []
        for text in texts:
            line = text if text.isprintable() else text.translate(_SPACES)
            masked = self._mask is not None and self._mask in text
            if line.isascii() and line.isprintable() and not masked:
                plain.append(line)
                continue
            words += self._plain_words(plain)
            plain.clear()
            words += [text] if masked else _CHUNK.findall(text)
            words.append(_ROW_END)
        words += self._plain_words(plain)
        numbers = np.fromiter(map(self._numbers.get, words, repeat(-1)), np.int64, len(words))
        missing = np.flatnonzero(numbers < 0).tolist()
        if missing:
            self._add(dict.fromkeys([words[i] for i in missing]))
            numbers[missing] = [self._numbers[words[i]] for i in missing]
        begins, ids = np.frombuffer(self._begins, np.int64), np.frombuffer(self._ids, np.int32)
        lengths = np.diff(begins)[numbers]
        ends = np.cumsum(lengths)
        count = int(ends[-1]) if len(ends) else 0
        values = ids[np.repeat(begins[numbers] - (ends - lengths), lengths) + np.arange(count)]
        row_lengths = np.diff(ends[numbers == 0], prepend=0)
        if self._characters > _CAPACITY:
            self._clear()
        return values, row_lengths

    def _plain_words(self, texts: list[str]) -> list[str]:
        if not texts:
            return []
        joined = _ROW_END.join([*texts, ""])
        words: list[str] = self._word.findall(joined.lower() if self._lowercase else joined)
        return words

    def _add(self, words: dict[str, None]) -> None:
        for word in words:
            self._numbers[word] = len(self._numbers)
            self._ids.extend(self._tokenizer.encode(word, add_special_tokens=False).ids)
            self._begins.append(len(self._ids))
            self._characters += len(word)

    def _clear(self) -> None:
        # The ids of word number i are ids[begins[i]:begins[i + 1]]; number 0 is the end of a row and has none.
        self._numbers = {_ROW_END: 0}
        self._begins, self._ids = array("q", [0, 0]), array("i")
        self._characters = 0
