from __future__ import annotations

import numpy as np
import pytest
from tokenizers import normalizers, pre_tokenizers

from kpt.text.character_tables import ALONE, CODE_POINTS, ITSELF, LETTER, SPACE, PagedTable, character_tables


def normalised(text: str, lowercase: bool, strip_accents: bool) -> str:
    """The stages one after the other, without the ordering of marks between them."""
    for stage in character_tables(lowercase, strip_accents).stages:
        rows = stage[np.array([ord(character) for character in text], np.int64)]
        text = "".join(
            chr(code if code != ITSELF else ord(character))
            for character, row in zip(text, rows, strict=True)
            for code in row
            if code != 0
        )
    return text


@pytest.mark.parametrize(
    ("text", "uncased", "cased"),
    [
        ("Ab9", "ab9", "Ab9"),
        ("Å\N{LATIN SMALL LIGATURE FI}ß", "a\N{LATIN SMALL LIGATURE FI}ß", "Å\N{LATIN SMALL LIGATURE FI}ß"),
        ("Σς İ ＡＢ", "σς i ａｂ", "Σς İ ＡＢ"),
        ("a\tb\u00a0c\u3000d\n", "a b c d ", "a b c d "),
        ("a\x00b\x1cc\x7fd\u200be\ufefff\u00adg\ue000h\ufffd", "abcdefgh", "abcdefgh"),
        ("中a", " 中 a", " 中 a"),
        ("각", "\u1100\u1161\u11a8", "각"),
    ],
)
def test_normalisation(text: str, uncased: str, cased: str) -> None:
    assert normalised(text, True, True) == uncased
    assert normalised(text, False, False) == cased


@pytest.mark.parametrize("options", [(True, True), (False, False), (True, False), (False, True)])
def test_every_code_point_of_two_planes_is_normalised_as_tokenizers_does(options: tuple[bool, bool]) -> None:
    lowercase, strip_accents = options
    text = "0".join(chr(c) for c in range(0x20000) if not 0xD800 <= c < 0xE000)
    reference = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=strip_accents)
    assert normalised(text, lowercase, strip_accents) == reference.normalize_str(text)


def test_unassigned_planes_are_not_probed_and_stay_as_they_are() -> None:
    text = "".join(chr(plane << 16 | c) for plane in range(4, 14) for c in (0, 0xFFFD, 0xFFFF))
    assert normalised(text, True, True) == text == normalizers.BertNormalizer().normalize_str(text)


def test_classes() -> None:
    classes = character_tables(True, True).classes
    assert classes[np.array([ord(c) for c in "a9éяअ€"])].tolist() == [LETTER] * 6
    assert classes[np.array([ord(c) for c in "!$+^`~_—“。"])].tolist() == [ALONE] * 10
    assert classes[np.array([ord(c) for c in " \u2003"])].tolist() == [SPACE] * 2
    text = "".join(chr(c) for c in range(0x20, 0x3000))
    kinds = {SPACE: " ", ALONE: ".", LETTER: "a"}
    found = "".join(kinds[kind] for kind in classes[np.arange(0x20, 0x3000)])
    words = [(text[a:b], (a, b)) for a, b in spans(found)]
    assert words == pre_tokenizers.BertPreTokenizer().pre_tokenize_str(text)


def spans(kinds: str) -> list[tuple[int, int]]:
    """The words of a string of ' ', '.' and 'a'."""
    result: list[tuple[int, int]] = []
    for i, kind in enumerate(kinds):
        if kind == "a" and result and result[-1][1] == i and kinds[i - 1] == "a":
            result[-1] = (result[-1][0], i + 1)
        elif kind != " ":
            result.append((i, i + 1))
    return result


def test_order_sorts_marks_as_unicode_does() -> None:
    order = character_tables(True, True).order
    overlay, below, above, last = order[np.array([0x334, 0x316, 0x301, 0x345])]
    assert 0 < overlay < below < above < last
    assert order[np.array([ord("a"), ord(" "), 0x34F, 0x903])].tolist() == [0, 0, 0, 0]


def test_plain_and_possible() -> None:
    tables = character_tables(True, True)
    codes = np.array([ord(c) for c in "aA9 \t中\u00adéÉя–"])
    assert tables.plain[codes].tolist() == [True, True, True, True, True, False, False, False, False, True, True]
    assert tables.possible[codes].tolist() == [True, False, True, False, False, True, False, False, False, True, True]
    assert not tables.possible[0]
    assert character_tables(False, False).possible[ord("中")]


def test_a_paged_table_gives_back_what_it_was_made_of() -> None:
    dense = np.arange(CODE_POINTS, dtype=np.int32) // 1000 % 3
    table = PagedTable.compress(dense)
    assert np.array_equal(table[np.arange(CODE_POINTS)], dense)
    assert len(table.rows) < CODE_POINTS
