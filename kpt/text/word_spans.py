"""Where the words of a text stand: runs of letters and digits, and each other sign by itself."""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache

__all__ = ["word_spans"]


def word_spans(text: str) -> list[tuple[int, int]]:
    r"""Return the first character of each word of a text, and the one after its last.

    A word is a run of letters, digits, underscores and combining marks, or any other character that is no white space,
    with the combining marks after it.

    Args:
        text: the text.

    Returns:
        Numbers of characters (code points), so that `text[begin:end]` is the word.

    Example:
        >>> [text[begin:end] for text in ("It's Cafe\u0301 7!",) for begin, end in word_spans(text)]
        ['It', "'", 's', 'Café', '7', '!']
    """
    return [match.span() for match in _pattern().finditer(text)]


@cache
def _pattern() -> re.Pattern[str]:
    # Python's \w has the letters and digits of all scripts, and no marks.
    marks = [code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code))[0] == "M"]
    ranges, begin = [], marks[0]
    for code, following in zip(marks, [*marks[1:], -1], strict=True):
        if following != code + 1:
            ranges.append(f"\\U{begin:08x}-\\U{code:08x}")
            begin = following
    inside = "".join(ranges)
    return re.compile(rf"[\w{inside}]+|[^\s\w{inside}][{inside}]*")
