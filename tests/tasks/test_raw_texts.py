from __future__ import annotations

import numpy as np
import pytest

from kpt import InputError
from kpt.tasks.raw_texts import is_texts, split_pairs


def test_texts_are_told_from_arrays() -> None:
    assert is_texts(["a"]) and is_texts(("a",)) and is_texts([("a", "b")]) and is_texts([["a", "b"]])
    assert is_texts(np.array(["a", "b"])) and is_texts(np.array(["a"], object)) and is_texts(np.array([["a", "b"]]))
    assert not any(map(is_texts, ([], None, [[1, 2]], np.zeros((2, 2)), {"token_ids": ["a"]}, [{"text": "a"}])))


def test_pairs_are_split() -> None:
    assert split_pairs(["a", "b"]) == (["a", "b"], None)
    assert split_pairs([("a", "b"), ["c", "d"]]) == (["a", "c"], ["b", "d"])
    assert split_pairs(np.array([["a", "b"]])) == (["a"], ["b"])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["a", ("b", "c")], "text 1 is .* not a string as the first one"),
        ([("a", "b"), ("c",)], "text 1 is .* not a pair of strings"),
        (["a", None], "text 1 is 'None', not a string"),
    ],
)
def test_mixtures_are_refused(rows: list[object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        split_pairs(rows)
