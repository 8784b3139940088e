r"""Letter, number, white space or other: the classes of GPT-2's pattern for each code point, as an array.

They are read off the engine that Hugging Face's `tokenizers` searches with, so that what is computed from them agrees
with it, whichever version of Unicode it follows.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from kpt.text.character_tables import CODE_POINTS, PagedTable

#: What `\p{L}`, `\p{N}` and `\s` match, and what none of them does.
OTHER, LETTER, NUMBER, SPACE = 0, 1, 2, 3

#: All that `\s` matches; Unicode has not changed it since version 6.3.
WHITE_SPACE = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"

# Planes 4 to 13 have no characters, 15 and 16 are for private use.
_ASSIGNED_PLANES = (0, 1, 2, 3, 14)


@lru_cache(maxsize=1)
def word_classes() -> PagedTable:
    """Ask `tokenizers` for the class of every code point, uint8; takes about a second.

    Example:
        >>> word_classes()[np.array([ord(c) for c in "!a7 "])]
        array([0, 1, 2, 3], dtype=uint8)
    """
    from tokenizers import Regex, pre_tokenizers

    codes = [c for plane in _ASSIGNED_PLANES for c in range(plane << 16, (plane + 1) << 16) if not 0xD800 <= c < 0xE000]
    split = pre_tokenizers.Split(Regex(r"\p{L}+|\p{N}+|\s+"), "isolated")
    runs = split.pre_tokenize_str("".join(map(chr, codes)))
    found = np.full(len(codes), OTHER, np.uint8)
    patterns = ((LETTER, Regex(r"\p{L}")), (NUMBER, Regex(r"\p{N}")), (SPACE, Regex(r"\s")))
    for run, (start, stop) in runs:  # all of a run is of one class
        for number, pattern in patterns:
            if not pre_tokenizers.Split(pattern, "removed").pre_tokenize_str(run[:1]):
                found[start:stop] = number
    classes = np.full(CODE_POINTS, OTHER, np.uint8)
    classes[codes] = found
    return PagedTable.compress(classes)
