from __future__ import annotations

import re
import unicodedata

import numpy as np
from tokenizers import Regex
from tokenizers.pre_tokenizers import Split

from kpt.text.word_classes import LETTER, NUMBER, OTHER, SPACE, WHITE_SPACE, word_classes


def test_assigned_characters_have_the_class_of_their_category() -> None:
    classes = word_classes()[np.arange(0x110000)]
    for code, found in enumerate(classes.tolist()):
        category = unicodedata.category(chr(code))
        if category != "Cn" and found != SPACE:
            assert found == {"L": LETTER, "N": NUMBER}.get(category[0], OTHER), hex(code)


def test_white_space_is_what_the_engine_takes_for_it() -> None:
    spaces = "".join(map(chr, np.flatnonzero(word_classes()[np.arange(0x110000)] == SPACE)))
    assert len(spaces) == 25
    assert re.fullmatch(f"[{WHITE_SPACE}]+", spaces)
    others = "".join(chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000 and chr(c) not in spaces)
    assert not re.search(f"[{WHITE_SPACE}]", others)
    assert Split(Regex(r"\s"), "removed").pre_tokenize_str(spaces) == []


def test_planes_that_are_not_asked_have_neither_letters_nor_numbers() -> None:
    characters = "".join(chr(c) for c in range(0x40000, 0x110000) if c >> 16 != 14)
    removed = Split(Regex(r"[^\p{L}\p{N}\s]+"), "removed").pre_tokenize_str(characters)
    assert removed == []
