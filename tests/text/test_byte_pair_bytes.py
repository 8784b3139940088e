from __future__ import annotations

import pytest
from tokenizers.pre_tokenizers import ByteLevel

from kpt.text.byte_pair_bytes import BYTE_CHARACTERS, bytes_to_characters, characters_to_bytes


def test_every_byte_has_a_character_of_its_own() -> None:
    everything = bytes(range(256))
    characters = bytes_to_characters(everything)
    assert len(set(characters)) == 256
    assert characters == "".join(BYTE_CHARACTERS)
    assert characters_to_bytes(characters) == everything
    assert characters.isprintable() and " " not in characters


def test_the_characters_are_those_of_hugging_face() -> None:
    assert sorted(ByteLevel.alphabet()) == sorted(BYTE_CHARACTERS)
    text = "".join(map(chr, range(0x800)))
    words = ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(text)
    assert bytes_to_characters(text.encode()) == "".join(word for word, _ in words)


def test_a_character_of_no_byte() -> None:
    with pytest.raises(KeyError):
        characters_to_bytes("a b")
