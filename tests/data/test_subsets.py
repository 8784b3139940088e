from __future__ import annotations

from collections import Counter

import pytest

from kpt.data import LabelledTexts, TaggedWords
from kpt.data.subsets import balanced_rows, some_texts
from kpt.errors import InputError

LABELS = ["a"] * 70 + ["b"] * 20 + ["c"] * 10


def test_each_label_as_often_as_any_other() -> None:
    rows = balanced_rows(LABELS, 31, seed=3)
    assert len(set(rows)) == 31 and Counter(LABELS[row] for row in rows) == {"a": 11, "b": 10, "c": 10}
    assert rows[:12] == balanced_rows(LABELS, 12, seed=3) != balanced_rows(LABELS, 12, seed=4)
    assert sorted(balanced_rows(LABELS, 1000, seed=0)) == list(range(100))


def test_texts_keep_their_labels_pairs_and_places() -> None:
    count = len(LABELS)
    data = LabelledTexts(
        [f"t{i}" for i in range(count)], [f"p{i}" for i in range(count)], LABELS, [f"f, line {i}" for i in range(count)]
    )
    some = some_texts(data, 9, seed=0)
    assert Counter(some.labels) == {"a": 3, "b": 3, "c": 3} and some.pairs is not None
    for text, pair, label, place in zip(some.texts, some.pairs, some.labels, some.places, strict=True):
        row = int(text[1:])
        assert (pair, label, place) == (f"p{row}", LABELS[row], f"f, line {row}")


def test_numbers_and_tags_are_drawn_from_all_alike() -> None:
    numbers = LabelledTexts(["x", "y", "z"], None, [0.5, 1.5, 2.5], ["1", "2", "3"])
    assert len(some_texts(numbers, 2, seed=0)) == 2
    words = TaggedWords([["a"], ["b"], ["c"]], [["O"], ["O"], ["O"]], ["f, line 1", "f, line 3", "f, line 5"])
    some = some_texts(words, 2, seed=1)
    assert [words.places[words.texts.index(text)] for text in some.texts] == some.places


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (4, "4 labelled texts are wanted of 3; ask for 1 to 3"),
        (0, "0 labelled texts"),
        (1, "there are 2 labels; ask for more"),
    ],
)
def test_refusals(count: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        some_texts(LabelledTexts(["x", "y", "z"], None, ["a", "b", "a"], ["1", "2", "3"]), count, 0)
