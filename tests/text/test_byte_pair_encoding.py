from __future__ import annotations

import pickle
import random
from itertools import pairwise

import pytest

from kpt.text import byte_pair_encoding
from kpt.text.byte_pair_bytes import BYTE_CHARACTERS
from kpt.text.byte_pair_encoding import OfflineBytePair, byte_level_tokenizer
from kpt.text.byte_pair_training import learn_merges
from tests.text.hostile_texts import HOSTILE, generated_texts, real_lines

TOKENS, MERGES = learn_merges([*real_lines(), *HOSTILE * 3], 1500)


def rows(encoder: OfflineBytePair, texts: list[str] | list[bytes]) -> list[list[int]]:
    values, splits = encoder.encode(texts)
    assert (values.dtype, splits.dtype) == ("int32", "int64")
    return [values[begin:end].tolist() for begin, end in pairwise(splits.tolist())]


def check(texts: list[str]) -> None:
    reference = byte_level_tokenizer(TOKENS, MERGES).encode_batch_fast(texts, add_special_tokens=False)
    for text, row, encoding in zip(texts, rows(OfflineBytePair(TOKENS, MERGES), texts), reference, strict=True):
        assert row == encoding.ids, ascii(text)


def test_the_ids_are_those_of_hugging_face_on_hostile_and_real_text() -> None:
    check([*HOSTILE, *generated_texts(1, 3000), *real_lines()])


def test_words_are_cut_as_hugging_face_cuts_them() -> None:
    generator = random.Random(1)
    characters = " '  \n\t\x85\xa0\u3000aéstrevlmd7½!,\x1c\x00’中"
    check(["".join(generator.choices(characters, k=generator.randrange(1, 12))) for _ in range(20_000)])


def test_bytes_that_are_not_utf8_stand_where_the_replacement_character_does() -> None:
    encoder = OfflineBytePair(list(BYTE_CHARACTERS), [])
    codes = [BYTE_CHARACTERS.index(c) for c in BYTE_CHARACTERS]
    everything = bytes(range(256))
    assert rows(encoder, [everything, b"", b"a\xff b", "é".encode()]) == [
        [codes[byte] for byte in everything],
        [],
        [*b"a\xff b"],
        [*"é".encode()],
    ]
    joined = OfflineBytePair([*BYTE_CHARACTERS, "aÿ", "ÿÿ"], [("a", "ÿ"), ("ÿ", "ÿ")])
    assert rows(joined, [b"a\xff\xff\xff"]) == [[ord("a"), 257, 255]]  # the letter is a word, the others are one


def test_a_lone_surrogate_is_a_replacement_character() -> None:
    encoder = OfflineBytePair(TOKENS, MERGES)
    assert rows(encoder, ["a\ud800b", "a\udcffb"]) == rows(encoder, ["a\ufffdb"] * 2)


def test_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["", *HOSTILE, "", *real_lines()[:50], ""]
    whole = rows(OfflineBytePair(TOKENS, MERGES), texts)
    monkeypatch.setattr(byte_pair_encoding, "_BATCH_CHARACTERS", 7)
    assert rows(OfflineBytePair(TOKENS, MERGES), texts) == whole
    assert rows(OfflineBytePair(TOKENS, MERGES), []) == []


def test_it_can_be_sent_to_another_process() -> None:
    encoder = OfflineBytePair(TOKENS, MERGES)
    before = rows(encoder, ["some text"])
    assert rows(pickle.loads(pickle.dumps(encoder)), ["some text"]) == before
