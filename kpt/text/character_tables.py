"""What BERT's normalisation and word splitting do with each code point, as arrays.

The arrays are read off Hugging Face's `tokenizers`, so that whatever is computed from them agrees with it, whichever
version of Unicode it follows.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import tokenizers

CODE_POINTS = 0x110000
#: In a normalisation table: the code point stays as it is. 0, which no normalised text has, fills a row up.
ITSELF = -1
#: The classes of a code point in normalised text.
LETTER, SPACE, ALONE = 0, 1, 2

#: Code points of a page of a `PagedTable`.
PAGE = 256
# A digit neither joins with what follows nor comes out of any other code point.
_MARK = "0"
# Planes 4 to 13 have no characters; surrogates are no characters.
_ASSIGNED_PLANES = (0, 1, 2, 3, 14, 15, 16)


@dataclass(frozen=True)
class PagedTable:
    """An array over all code points, `dense[c]`, without its repetitions: `rows[pages[c // 256] * 256 + c % 256]`.

    Attributes:
        pages: int32 [0x1100].
        rows: [256 * number of different pages, ...].
    """

    pages: np.ndarray
    rows: np.ndarray

    @classmethod
    def compress(cls, dense: np.ndarray) -> PagedTable:
        """Find the pages of 256 code points that are equal."""
        numbers: dict[bytes, int] = {}
        pages = [numbers.setdefault(page.tobytes(), len(numbers)) for page in dense.reshape(-1, PAGE, *dense.shape[1:])]
        rows = np.frombuffer(b"".join(numbers), dense.dtype).reshape(-1, *dense.shape[1:])
        return cls(np.array(pages, np.int32), rows)

    def __getitem__(self, code_points: np.ndarray) -> np.ndarray:
        """Look code points up."""
        return self.rows[self.pages[code_points // PAGE] * PAGE + code_points % PAGE]


@dataclass(frozen=True)
class CharacterTables:
    """BERT's treatment of each code point.

    Attributes:
        stages: normalisation, one table [.., width] of code points after the other: row c is what c becomes. With
            accents stripped there are two, cleaning and decomposition (NFD), then the loss of accents and case.
        order: rank of each code point within a run of combining marks, uint8, 0 for one that ends a run; the text is
            sorted by it between two stages (Unicode's canonical ordering).
        kept_marks: bool, the marks (order > 0) that the last stage keeps. Only if there are any does the order matter.
        classes: LETTER, SPACE or ALONE, uint8: how text is split to words.
        plain: bool [0x110000], code points that normalise to themselves, to a space if they are white space, or to
            their lower case if they are ASCII.
        possible: bool [0x110000], code points that the words of normalised text can have.
    """

    stages: tuple[PagedTable, ...]
    order: PagedTable
    kept_marks: PagedTable
    classes: PagedTable
    plain: np.ndarray
    possible: np.ndarray


@lru_cache(maxsize=4)
def character_tables(lowercase: bool, strip_accents: bool) -> CharacterTables:
    """Ask `tokenizers` about every code point; takes about a second.

    Example:
        >>> tables = character_tables(True, True)
        >>> [list(map(hex, row)) for row in tables.stages[0][np.array([0xC5, 0x4E00])]]  # decomposed; spaces around
        [['0x41', '0x30a', '0x0', '0x0'], ['0x20', '0x4e00', '0x20', '0x0']]
        >>> tables.stages[1][np.array([0x41, 0x30A, 0x7A])][:, 0]  # to lower case; dropped; stays
        array([97,  0, -1], dtype=int32)
        >>> tables.classes[np.array([0x7A, 0x20, 0x21])]
        array([0, 1, 2], dtype=uint8)
    """
    from tokenizers import normalizers

    def bert(clean: bool, strip: bool, lower: bool) -> tokenizers.normalizers.Normalizer:
        return normalizers.BertNormalizer(
            clean_text=clean, handle_chinese_chars=clean, strip_accents=strip, lowercase=lower
        )

    if strip_accents:
        first = normalizers.Sequence([bert(True, False, False), normalizers.NFD()])
        dense = [_normal_forms(first), _normal_forms(bert(False, True, lowercase))]
        dense[1][dense[0][:, 0] != ITSELF] = [ITSELF, *[0] * (dense[1].shape[1] - 1)]  # never come out changed
        dense[1] = dense[1][:, : 1 + np.flatnonzero(dense[1].any(axis=0))[-1]]
    else:
        dense = [_normal_forms(bert(True, False, lowercase))]
    order = _canonical_order()
    code_points = np.arange(CODE_POINTS, dtype=np.int32)[:, None]
    plain = np.logical_and.reduce([stage[:, 0] == ITSELF for stage in dense])
    if strip_accents:
        plain &= order == 0
    classes = _word_classes()
    possible = ((dense[0] == ITSELF) | (dense[0] == code_points)).any(axis=1) & (classes != SPACE)
    for stage in dense[1:]:
        possible &= stage[:, 0] == ITSELF
    possible[0] = False  # 0 only fills rows up
    plain |= (dense[0][:, 0] == ord(" ")) & (dense[0][:, 1] == 0)
    if lowercase:
        plain[ord("A") : ord("Z") + 1] = True
    return CharacterTables(
        stages=tuple(PagedTable.compress(stage) for stage in dense),
        order=PagedTable.compress(order),
        kept_marks=PagedTable.compress((order > 0) & (dense[-1][:, 0] != 0)),
        classes=PagedTable.compress(classes),
        plain=plain,
        possible=possible,
    )


def _assigned() -> list[int]:
    codes = (c for plane in _ASSIGNED_PLANES for c in range(plane << 16, (plane + 1) << 16))
    return [c for c in codes if not 0xD800 <= c < 0xE000 and c != ord(_MARK)]


def _normal_forms(normalizer: tokenizers.normalizers.Normalizer) -> np.ndarray:
    """What each code point becomes between two marks: int32 [0x110000, width]."""
    codes = _assigned()
    parts = normalizer.normalize_str(_MARK.join(map(chr, codes))).split(_MARK)
    table = np.zeros((CODE_POINTS, max(map(len, parts))), np.int32)
    table[:, 0] = ITSELF
    for code, part in zip(codes, parts, strict=True):
        if part != chr(code):
            table[code, 0] = 0
            table[code, : len(part)] = [ord(character) for character in part]
    return table


def _word_classes() -> np.ndarray:
    """LETTER, SPACE or ALONE: uint8 [0x110000]."""
    from tokenizers import pre_tokenizers

    codes = np.array(_assigned())
    words = pre_tokenizers.BertPreTokenizer().pre_tokenize_str(_MARK.join(map(chr, codes)))
    found = np.full(2 * len(codes) - 1, SPACE, np.uint8)
    for _, (start, stop) in words:
        found[start:stop] = LETTER if stop - start > 1 else ALONE
    classes = np.full(CODE_POINTS, LETTER, np.uint8)
    classes[codes] = found[::2]
    return classes


def _canonical_order() -> np.ndarray:
    """Rank of the canonical combining class of each code point, found by which marks NFD swaps: uint8 [0x110000]."""
    from tokenizers import normalizers

    nfd = normalizers.NFD()
    last = "\u0345"  # has the highest class, alone
    candidates = [c for c in map(chr, range(0x20000)) if unicodedata.category(c) in ("Mn", "Mc", "Me", "Cn")]
    pairs = nfd.normalize_str(_MARK.join(last + c for c in candidates)).split(_MARK)
    marks = [c for c, pair in zip(candidates, pairs, strict=True) if not pair.startswith(last)]
    order = np.zeros(CODE_POINTS, np.uint8)
    representatives = {unicodedata.combining(c): c for c in marks}
    representatives.pop(0, None)
    for mark in (*marks, last):
        pairs = nfd.normalize_str(_MARK.join(mark + c for c in representatives.values())).split(_MARK)
        order[ord(mark)] = 1 + sum(not pair.startswith(mark) for pair in pairs)
    return order
