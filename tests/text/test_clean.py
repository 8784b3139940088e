from __future__ import annotations

import pickle
import unicodedata

import pytest

from kpt import InputError
from kpt.text import clean
from kpt.text.clean import compose, normalize_unicode, remove_stop_words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no markup", "no markup"),
        ("<b>bold</b> and <i class='x'>more</i>", "bold and more"),
        ("<p>one</p><p>two<br/>three</p>", "\none\n\ntwo\nthree\n"),
        ("if a < b and c > d", "if a < b and c > d"),
        ("a <3 b <- c <> d", "a <3 b <- c <> d"),
        ('<a title="x > y" href=z>link</a>', "link"),
        ("<!DOCTYPE html><!-- a <b> comment -->text<!-- open", "text"),
        ("a<script>if (x < 1) { y('</b>') }</script>b<style>p {}</style>c", "abc"),
        ("a<SCRIPT src=x></SCRIPT >b<script/>c", "abc"),
        ("kept<script>never closed <p>text", "kept"),
        ("&lt;b&gt; &amp;amp; &eacute;&#233;&#x1F600; &nosuch;", "<b> &amp; éé😀 &nosuch;"),
        ("<unfinished", "<unfinished"),
    ],
)
def test_strip_html(text: str, expected: str) -> None:
    assert clean.strip_html(text) == expected


def test_hostile_markup_takes_linear_time() -> None:
    for text in (
        "<script " * 50_000,
        '<a "' * 50_000,
        "<a '<b \"" * 50_000,
        "<" * 200_000,
        "<!--" * 50_000,
        "<a " * 50_000,
    ):
        assert len(clean.strip_html(text)) <= len(text)


def test_unescape_leaves_tags() -> None:
    assert clean.unescape_html("<b>&quot;x&quot;</b>") == '<b>"x"</b>'


def test_control_characters() -> None:
    text = "a\0b\x07c\td\ne\rf\x7f\x85g\u00adh\u200bi\u202aj\ufeffk\u2028l"
    assert clean.remove_control_characters(text) == "abc\td\ne\rf\nghijk\nl"
    for separator in "\x0b\x0c\x1c\x1d\x1e\x1f\x85\u2028\u2029":
        assert clean.remove_control_characters(f"one{separator}two").split() == ["one", "two"]
    family = "\N{MAN}\u200d\N{WOMAN} می‌خواهم"
    assert clean.remove_control_characters(family) == family


def test_surrogates() -> None:
    assert clean.replace_surrogates("a\ud83d b\ude00 😀") == "a\ufffd b\ufffd 😀"
    assert clean.replace_surrogates("") == ""


def test_unicode_forms() -> None:
    assert normalize_unicode()("e\u0301") == "é"
    assert normalize_unicode("NFD")("é") == "e\u0301"
    assert normalize_unicode("NFKC")("ﬁ Ａ ½") == "fi A 1⁄2"
    with pytest.raises(InputError, match="'NFX' is no Unicode normal form; choose NFC, NFD, NFKC or NFKD"):
        normalize_unicode("NFX")  # type: ignore[arg-type]


def test_white_space() -> None:
    assert clean.collapse_white_space("\t a \u00a0 b \r\n c\r\r \n\n d\n") == "a b\nc\n\nd"
    assert clean.collapse_white_space(" \n ") == ""


def test_case_and_accents() -> None:
    assert clean.fold_case("ÀÉ ẞ Σ") == "àé ss σ"
    assert clean.strip_accents("naïve façade, Ελλάδα, 한국") == "naive facade, Ελλαδα, 한국"
    assert unicodedata.is_normalized("NFC", clean.strip_accents("한국어 ữ"))


def test_stop_words() -> None:
    step = remove_stop_words({"The", "a", "don't", "éa"})
    assert step("The cat and a dog; the end. Don't! éa") == "cat and dog; end. ! "
    assert step("theory atheism") == "theory atheism"
    with pytest.raises(InputError, match="the stop words are one string, 'the of'; give a list"):
        remove_stop_words("the of")


def test_steps_compose_and_travel_to_other_processes() -> None:
    steps = compose(
        clean.strip_html,
        clean.remove_control_characters,
        normalize_unicode("NFKC"),
        clean.strip_accents,
        clean.fold_case,
        remove_stop_words(["the"]),
        clean.collapse_white_space,
    )
    assert steps("<p>The&nbsp;CAFÉ&shy; of\0 the ﬁelds</p>") == "cafe of fields"
    assert pickle.loads(pickle.dumps(steps))("<p>A  B</p>") == "a b"
    assert compose()("as it is") == "as it is"
