from __future__ import annotations

import pytest

from kpt.text import word_ids
from kpt.text.word_ids import WordIds


class Lengths:
    """Encodes a word as its length, as often as it is long, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, words: list[str]) -> list[list[int]]:
        self.asked += words
        return [[len(word)] * len(word) for word in words]


def test_each_word_is_encoded_once() -> None:
    lengths = Lengths()
    table = WordIds(lengths)
    for words in (["ab", "", "c", "ab"], ["c", "ddd", "ab"]):
        values, ends = table.gather(table.numbers(words))
        assert values.tolist() == [len(word) for word in words for _ in word]
        assert [0, *ends.tolist()] == [sum(map(len, words[:i])) for i in range(len(words) + 1)]
    assert lengths.asked == ["ab", "", "c", "ddd"]
    assert (values.dtype, ends.dtype) == ("int32", "int64")


def test_no_words() -> None:
    table = WordIds(Lengths())
    values, ends = table.gather(table.numbers([]))
    assert values.tolist() == ends.tolist() == []


def test_a_full_table_is_emptied_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_ids, "CAPACITY", 3)
    lengths = Lengths()
    table = WordIds(lengths)
    for words in (["ab"], ["c", "ab"], ["ab", "dd"], ["ab"]):
        assert table.gather(table.numbers(words))[0].tolist() == [len(word) for word in words for _ in word]
    assert lengths.asked == ["ab", "c", "dd", "ab"]
