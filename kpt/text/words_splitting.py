"""Text to whole words: at white space, or what a pattern matches."""

from __future__ import annotations

import re
from functools import cached_property

from kpt.errors import InputError
from kpt.text.clean import replace_surrogates

__all__ = ["WHITE_SPACE", "WordSplitter"]

#: The characters that `str.split` cuts at, as the inside of a regular expression's brackets.
WHITE_SPACE = r"\t-\r\x1c-\x20\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"


class WordSplitter:
    """Cuts a text to words.

    Lower case is taken character by character (a capital sigma becomes the one from the middle of words, wherever it
    stands), so that the words do not depend on what stands beside them. A lone surrogate counts as U+FFFD.

    Args:
        lowercase: whether letters are made lower case before.
        word_pattern: a regular expression: its matches, from left to right, are the words. None: the words are what
            stands between white space.

    Raises:
        InputError: the pattern is none, or it matches the empty text.

    Example:
        >>> WordSplitter(lowercase=True)("So it is.")
        ['so', 'it', 'is.']
        >>> WordSplitter(word_pattern="[A-Za-z]+")("So it is.")
        ['So', 'it', 'is']
    """

    def __init__(self, *, lowercase: bool = False, word_pattern: str | None = None) -> None:
        self.lowercase, self.word_pattern = lowercase, word_pattern
        if word_pattern is not None and self._compiled.match(""):
            raise InputError(f"the word pattern {word_pattern!r} matches the empty text; write + in place of *")

    def __call__(self, text: str) -> list[str]:
        """Return the words of a text."""
        if not text.isascii():
            text = replace_surrogates(text)
            if self.lowercase:
                text = text.replace("Σ", "σ")
        if self.lowercase:
            text = text.lower()
        if self.word_pattern is None:
            return text.split()
        return [match[0] for match in self._compiled.finditer(text)]

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        try:
            return re.compile(self.word_pattern or "")
        except re.error as error:
            raise InputError(
                f"the word pattern {self.word_pattern!r} is no regular expression ({error}); correct it"
            ) from error
