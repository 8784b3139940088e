from __future__ import annotations

import pytest

from kpt.text import word_ids
from kpt.text.vocabulary import Vocabulary
from kpt.text.wordpiece_encoding import plain_text_tokenizer
from kpt.text.wordpiece_words import WordTable

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "low", "##er", "##est", ",", "é", "中", "Low"]


def table(lowercase: bool, mask: str | None = None) -> WordTable:
    tokenizer = plain_text_tokenizer(Vocabulary.from_tokens(PIECES), lowercase, False, mask)
    return WordTable(tokenizer, lowercase=lowercase, mask=mask)


def test_plain_and_other_texts_keep_their_order() -> None:
    values, lengths = table(True).encode(["Low,lowest", "É中 low\tlower", "", "low\nlow", "\x07"])
    assert values.tolist() == [5, 8, 5, 7, 9, 10, 5, 5, 6, 5, 5]
    assert lengths.tolist() == [4, 5, 0, 2, 0]


def test_case_is_kept_where_the_tokenizer_keeps_it() -> None:
    values, lengths = table(False).encode(["Low low LOW", "Low 中"])
    assert values.tolist() == [11, 5, 1, 11, 10]
    assert lengths.tolist() == [3, 2]


def test_a_text_with_the_mask_goes_to_the_tokenizer_whole() -> None:
    values, lengths = table(True, "[MASK]").encode(["low[MASK]er", "low"])
    assert values.tolist() == [5, len(PIECES), 1, 5]
    assert lengths.tolist() == [3, 1]


def test_no_text_at_all() -> None:
    values, lengths = table(True).encode([])
    assert values.tolist() == lengths.tolist() == []
    assert (values.dtype, lengths.dtype) == ("int32", "int64")


def test_ids_stay_right_when_the_table_is_emptied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_ids, "CAPACITY", 4)
    words = table(True)
    for _ in range(3):
        values, lengths = words.encode(["low lowest", "lower"])
        assert values.tolist() == [5, 5, 7, 5, 6]
        assert lengths.tolist() == [2 + 1, 2]
