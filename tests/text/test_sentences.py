from __future__ import annotations

import pytest

from kpt.text import split_sentences, whole_document


@pytest.mark.parametrize(
    "sentences",
    [
        ["Mr. Smith paid $3.50 for it.", "He left."],
        ["J. R. R. Tolkien wrote it.", "It sold well."],
        ["The U.S. Army came.", "They won."],
        ["At 5 p.m. Mr. Jones left.", "Fine."],
        ["See e.g. the docs, i.e. this.", "Then go."],
        ["Version 3.11.2 is out!", "Get it?", "Yes."],
        ["He said \"Stop!\" and ran.", "\"Why?\" she asked.", "\"Because.\""],
        ["“Stop.”", "He ran."],
        ["Wait... what?", "Yes."],
        ["What?!", "No. 5 is alive."],
        ["Call foo.bar() now.", "Then read kpt.text."],
        ["No end"],
    ],
)  # fmt: skip
def test_punctuation(sentences: list[str]) -> None:
    assert split_sentences(" ".join(sentences)) == sentences


def test_other_languages() -> None:
    assert split_sentences("这是。那是？好！", "zh") == ["这是。", "那是？", "好！"]
    assert split_sentences("Das ist z. B. gut. Ja.", "de") == ["Das ist z. B. gut.", "Ja."]


def test_wrapped_lines_are_joined() -> None:
    text = "This sentence is long and goes\non here. The second one ends\nhere. And a third.\n\nA new\nparagraph"
    assert split_sentences(text) == [
        "This sentence is long and goes on here.",
        "The second one ends here.",
        "And a third.",
        "A new paragraph",
    ]


def test_line_ends_stay_where_a_line_is_a_sentence() -> None:
    text = 'plot : two teens go to a party .\nthey get into an accident .\nwhy not ?\na title\n" sorta " found it . "\n'
    assert split_sentences(text) == [
        "plot : two teens go to a party .",
        "they get into an accident .",
        "why not ?",
        "a title",
        '" sorta " found it . "',
    ]


def test_paragraphs_a_line_are_split_inside() -> None:
    assert split_sentences("One here. Two here.\nThree here. Four.\r\nFive.") == [
        "One here.",
        "Two here.",
        "Three here.",
        "Four.",
        "Five.",
    ]


def test_the_layout_of_documentation() -> None:
    text = (
        "Return the sum.\n\nParameters\n----------\nx : array\n    The values to\n    add up.\n\n"
        "Args:\n    axis: where to add,\n        see below.\n\nUse one of\n- rows\n- columns\n\n>>> total(x)\n3\n"
    )
    assert split_sentences(text) == [
        "Return the sum.",
        "Parameters",
        "----------",
        "x : array",
        "The values to add up.",
        "Args:",
        "axis: where to add, see below.",
        "Use one of",
        "- rows",
        "- columns",
        ">>> total(x) 3",
    ]


def test_what_is_no_sentence_stays_with_its_neighbour() -> None:
    assert split_sentences("It cost 3 . 5 coins . ( i think ! )") == ["It cost 3 . 5 coins .", "( i think ! )"]
    assert split_sentences("A 195 @.@ 7 mile road . It ends .") == ["A 195 @.@ 7 mile road .", "It ends ."]
    assert split_sentences("We do two things. 1. Read. 2. Write.") == ["We do two things.", "1. Read.", "2. Write."]


@pytest.mark.parametrize("text", ["", " ", "\n\n \r\n", "\t"])
def test_nothing(text: str) -> None:
    assert split_sentences(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "\ud83d half a pair. Next.",
        "a" * 100_000,
        ". " * 20_000,
        "\n" * 100_000,
        '" ' * 20_000,
        "(" * 20_000,
        "1. " * 20_000,
    ],
)
def test_hostile_text_loses_nothing_but_white_space(text: str) -> None:
    sentences = split_sentences(text)
    assert "".join("".join(sentences).split()) == "".join(text.replace("\ud83d", "\ufffd").split())
    assert not any("\n" in sentence or sentence != sentence.strip() for sentence in sentences)


def test_a_whole_document_keeps_its_white_space() -> None:
    assert whole_document(" One.\n\n Two. ") == [" One.\n\n Two. "]
