"""WordPiece by looking up words: encoding without TensorFlow at several million tokens a second."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from kpt.text.word_ids import WordIds

if TYPE_CHECKING:
    import tokenizers

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
        self._ids = WordIds(self._encode)

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
        numbers = self._ids.numbers(words)
        values, ends = self._ids.gather(numbers)
        return values, np.diff(ends[numbers == numbers[-1:]], prepend=0)  # the last word is the end of a row

    def _plain_words(self, texts: list[str]) -> list[str]:
        if not texts:
            return []
        joined = _ROW_END.join([*texts, ""])
        words: list[str] = self._word.findall(joined.lower() if self._lowercase else joined)
        return words

    def _encode(self, words: list[str]) -> Iterator[list[int]]:
        for word in words:
            yield [] if word == _ROW_END else self._tokenizer.encode(word, add_special_tokens=False).ids
