"""Where the words of a text stand: runs of letters and digits, and each other sign by itself."""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache

import numpy as np

from kpt.text.character_tables import CODE_POINTS, PagedTable

__all__ = ["MARK", "OTHER", "SPACE", "WORD", "span_classes", "word_spans"]

#: The classes of characters: white space, letters and digits, combining marks, and what is none of these.
SPACE, WORD, MARK, OTHER = 0, 1, 2, 3


def word_spans(text: str) -> list[tuple[int, int]]:
    r"""Return the first character of each word of a text, and the one after its last.

    A word is a run of letters, digits, underscores and combining marks, or any other character that is no white space,
    with the combining marks after it.

    Args:
        text: the text.

    Returns:
        Numbers of characters (code points), so that `text[begin:end]` is the word.

    Example:
        >>> word_spans("It's e\u0301!")
        [(0, 2), (2, 3), (3, 4), (5, 7), (7, 8)]
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


@cache
def span_classes() -> PagedTable:
    """Return the class of each code point by which `word_spans` cuts, uint8, for the same in a graph.

    Example:
        >>> span_classes()[np.array([ord(c) for c in " a7_\u0301!"])].tolist()
        [0, 1, 1, 1, 2, 3]
    """
    classes = np.full(CODE_POINTS, OTHER, np.uint8)
    for code in range(CODE_POINTS):
        character = chr(code)
        if character.isalnum() or character == "_":
            classes[code] = WORD
        elif character.isspace():
            classes[code] = SPACE
        elif unicodedata.category(character)[0] == "M":
            classes[code] = MARK
    return PagedTable.compress(classes)
