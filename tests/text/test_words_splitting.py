from __future__ import annotations

import re
import sys

import pytest

from kpt.errors import InputError
from kpt.text.words_splitting import WHITE_SPACE, WordSplitter


def test_white_space_is_what_python_splits_at() -> None:
    inside = re.compile("[" + re.sub(r"\\x\{(\w+)\}", lambda m: chr(int(m[1], 16)), WHITE_SPACE) + "]")
    for code in range(sys.maxunicode + 1):
        assert bool(inside.match(chr(code))) == (chr(code).split() == []), hex(code)


def test_words_stand_between_white_space() -> None:
    assert WordSplitter()(" One  two\u00a0three\u3000four\n") == ["One", "two", "three", "four"]
    assert WordSplitter()(" \t ") == WordSplitter()("") == []


def test_lower_case_does_not_depend_on_the_neighbours() -> None:
    split = WordSplitter(lowercase=True)
    assert split("ΟΔΥΣΣΕΥΣ Σ ÄÖ") == ["οδυσσευσ", "σ", "äö"]
    assert "".join(split("ΑΣ")) == "".join(split("Α") + split("Σ"))


def test_a_pattern_says_what_a_word_is() -> None:
    assert WordSplitter(word_pattern=r"\w+", lowercase=True)("Don't stop, Zoë!") == ["don", "t", "stop", "zoë"]
    assert WordSplitter(word_pattern=r"(a)(b)?")("xaabx") == ["a", "ab"]  # groups inside do not matter


def test_half_of_a_surrogate_pair_becomes_the_replacement_character() -> None:
    assert WordSplitter()("a\ud800b c") == ["a\ufffdb", "c"]


@pytest.mark.parametrize("pattern", ["[a-z", "[a-z]*", ""])
def test_a_pattern_that_gives_no_words_is_refused(pattern: str) -> None:
    with pytest.raises(InputError, match="word pattern"):
        WordSplitter(word_pattern=pattern)
