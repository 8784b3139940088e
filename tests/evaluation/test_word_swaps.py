from __future__ import annotations

from pathlib import Path

import pytest

from kpt.errors import InputError
from kpt.evaluation.word_swaps import WordSwap, read_word_swaps, swap_table, swapped

TABLE = swap_table([WordSwap("he", "she"), WordSwap("John", "Mary"), WordSwap("him", "her"), WordSwap("his", "her")])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("He saw the hero; she, HE and he's", "She saw the hero; he, SHE and she's"),
        ("john, John and JOHN: MARY", "mary, Mary and MARY: JOHN"),
        ("her book, his book, him", "him book, her book, her"),  # of two pairs with her the first counts
        ("hE told (he)he_he he2", "she told (she)he_he he2"),
        ("he\u0301 h\u00e9 \U0001f600he\u200bhe  he\n", "he\u0301 h\u00e9 \U0001f600she\u200bshe  she\n"),
        ("nothing here", "nothing here"),
        ("", ""),
    ],
)
def test_whole_words_are_swapped_in_their_case(text: str, expected: str) -> None:
    assert swapped(text, TABLE) == expected


def test_marks_are_compared_as_they_are_encoded() -> None:
    table = swap_table([WordSwap("a\u0301b", "x")])
    assert swapped("a\u0301b \u00e1b A\u0301B", table) == "x \u00e1b X"


def test_swapping_twice_gives_the_text_again() -> None:
    table = swap_table([WordSwap("he", "she"), WordSwap("king", "queen")])
    text = "He is the KING of Queens, and she is no queen."
    assert swapped(swapped(text, table), table) == text != swapped(text, table)


def test_pairs_are_read_from_columns_and_from_lists(tmp_path: Path) -> None:
    columns, lists = tmp_path / "pairs.tsv", tmp_path / "pairs.jsonl"
    columns.write_bytes("\ufeff# by hand\r\nhe\tshe\r\n\r\n b\u00e9b\u00e9 \tnoms_2\r\nher\this\nher\thim\n".encode())
    assert [pair.name for pair in read_word_swaps(columns)] == ["he/she", "b\u00e9b\u00e9/noms_2", "her/his", "her/him"]
    lists.write_text('["he", "she"]\n')
    assert read_word_swaps(lists) == [WordSwap("he", "she")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", "he\tshe\nhim her\n", r"a.tsv, line 2: 1 word instead of two; give two, with a tab between"),
        ("a.tsv", "he\tshe\tit\n", r"a.tsv, line 1: 3 words instead of two"),
        ("a.tsv", "he\t\n", r"a.tsv, line 1: '' is not one word of letters and digits"),
        ("a.tsv", "# x\nthe man\tshe\n", r"a.tsv, line 2: 'the man' is not one word"),
        ("a.tsv", "he\tHE\n", r"a.tsv, line 1: 'he' and 'HE' are the same word"),
        ("a.tsv", "he\tshe\n\nShe\tHe\n", r"a.tsv, line 3: this pair is in line 1 already"),
        ("a.tsv", "# nothing\n", r"a.tsv has no pair of words"),
        ("a.tsv", b"he\t\xff\n", r"a.tsv, line 1 is not UTF-8"),
        ("a.jsonl", '["he", "she"]\n["he"\n', r"a.jsonl, line 2 is no JSON; give a list of two words"),
        ("a.jsonl", "[" * 100_000, r"a.jsonl, line 1 is no JSON"),
        ("a.jsonl", '{"a": "he", "b": "she"}\n', r"a.jsonl, line 1 is no list of words"),
        ("a.jsonl", '["he", 3]\n', r"a.jsonl, line 1 is no list of words"),
        ("a.jsonl", '["he", "she", "it"]\n', r"a.jsonl, line 1: 3 words instead of two; give two, in a list"),
    ],
)
def test_a_malformed_list_is_refused(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=message):
        read_word_swaps(tmp_path / name)


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"b.tsv is missing; give a file of pairs of words"):
        read_word_swaps(tmp_path / "b.tsv")
