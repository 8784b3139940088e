from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from kpt.text.boundaries import Boundaries, align, cut, detect_boundaries, split_documents

WIKITEXT = " \n = Cats = \n \n Cats purr .\n \n = = Food = = \n \n Fish .\n \n = Dogs = \n \n Dogs bark .\n"


def split(text: str, boundaries: Boundaries, limit: int = 1000, step: int = 1000) -> list[tuple[int, str]]:
    blocks = [text[begin : begin + step] for begin in range(0, len(text), step)]
    return list(split_documents(blocks, boundaries, limit, Counter()))


@pytest.mark.parametrize("step", [1, 2, 5, 1000])
@pytest.mark.parametrize(
    ("text", "boundaries", "documents"),
    [
        ("one\ntwo\n\n\n \t\nthree\n", "blank-line", [(1, "one\ntwo"), (6, "three")]),
        ("\n\n one\n \n two", "blank-line", [(3, "one"), (5, "two")]),
        ("one\n\ntwo \n", "line", [(1, "one"), (3, "two")]),
        ("\none\n\ntwo\n", "file", [(2, "one\n\ntwo")]),
        (
            WIKITEXT,
            "wikitext",
            [(2, "= Cats = \n \n Cats purr .\n \n = = Food = = \n \n Fish ."), (10, WIKITEXT[-25:-1])],
        ),
        ("a line\n = Not a title = \nof three\n", "wikitext", [(1, "a line\n = Not a title = \nof three")]),
        (" \n\n", "blank-line", []),
    ],
)
def test_documents_do_not_depend_on_the_blocks(
    text: str, boundaries: Boundaries, documents: list[tuple[int, str]], step: int
) -> None:
    assert split(text, boundaries, step=step) == documents


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_long_documents_are_cut_at_white_space(step: int) -> None:
    text = "aaaa bbbb\ncccc dddd eeee\n\nshort\n\n" + "x" * 25 + "\n"
    problems: Counter[str] = Counter()
    blocks = [text[begin : begin + step] for begin in range(0, len(text), step)]
    assert list(split_documents(blocks, "blank-line", 12, problems)) == [
        (1, "aaaa bbbb"),
        (2, "cccc dddd"),
        (2, "eeee"),
        (4, "short"),
        (6, "x" * 12),
        (6, "x" * 12),
        (6, "x"),
    ]
    assert problems == {"long_document": 2}


def test_blank_lines_among_document_lines_are_counted() -> None:
    problems: Counter[str] = Counter()
    assert list(split_documents(["one\n\n \ntwo\n"], "line", 100, problems)) == [(1, "one"), (4, "two")]
    assert problems == {"empty": 2}


def test_a_flood_of_white_space_takes_no_memory_and_cuts_nothing() -> None:
    problems: Counter[str] = Counter()
    blocks = ["one", *[" " * 1000] * 50, "\n", " " * 5000, "\n", "two"]
    assert list(split_documents(blocks, "blank-line", 100, problems)) == [(1, "one"), (3, "two")]
    assert problems == {}


def test_cut() -> None:
    assert list(cut("one two\nthree\n\nfour", 15)) == ["one two\nthree\n\n", "four"]
    assert list(cut("one two\nthree four", 15)) == ["one two\n", "three four"]
    assert list(cut("abcdefgh", 3)) == ["abc", "def", "gh"]
    assert list(cut("abc", 3)) == ["abc"]


def test_detection() -> None:
    assert detect_boundaries(WIKITEXT) == "wikitext"
    assert detect_boundaries("one\ntwo\n\nthree") == "blank-line"
    assert detect_boundaries("one\ntwo\n\n\n") == "line"
    assert detect_boundaries("\n\none\n = two = \n") == "line"
    assert detect_boundaries("") == "line"


@pytest.mark.parametrize(
    ("boundaries", "starts"),
    [
        ("line", [3, 3, 3, 7, 7, 7, 7, 8, 9, 14, 14, 14, 14]),
        ("blank-line", [9, 9, 9, 9, 9, 9, 9, 14, 14, 14, 14, 14, 14]),
        ("file", [14] * 13),
    ],
)
def test_alignment_goes_to_the_next_document(tmp_path: Path, boundaries: Boundaries, starts: list[int]) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"a\r\nbb\r\n\n\nthree")
    assert [align(path, position, boundaries) for position in range(1, 14)] == starts


def test_alignment_in_wikitext(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(WIKITEXT)
    dogs = WIKITEXT.index("= Dogs")
    assert {align(path, position, "wikitext") for position in range(20, dogs - 5)} == {dogs}
    assert align(path, dogs, "wikitext") == len(WIKITEXT)
