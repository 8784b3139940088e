from __future__ import annotations

import pytest

from kpt.text.word_spans import word_spans


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \n\u2003", []),
        ("Anna sang.", ["Anna", "sang", "."]),
        ("@paul_7's #x...", ["@", "paul_7", "'", "s", "#", "x", ".", ".", "."]),
        ("cafe\u0301s nai\u0308ve", ["cafe\u0301s", "nai\u0308ve"]),
        ("👍🏽 ok 👩\u200d👧", ["👍", "🏽", "ok", "👩", "\u200d", "👧"]),
        ("❤\ufe0f5", ["❤\ufe0f", "5"]),
        ("मुंबई में 東京", ["मुंबई", "में", "東京"]),
        ("\u0301a", ["\u0301a"]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert [text[begin:end] for begin, end in word_spans(text)] == words
