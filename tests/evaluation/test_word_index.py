from __future__ import annotations

import numpy as np
import pytest

from kpt import InputError, WordVectors
from kpt.evaluation.word_index import WordIndex

VECTORS = WordVectors(["a", "straße", "A", "STRASSE", "b"], np.eye(5))


def test_the_first_of_equal_words_is_found() -> None:
    index = WordIndex(VECTORS, None, True)
    assert [index.find(word) for word in ("A", "a", "Strasse", "B", "c")] == [0, 0, 1, 4, None]
    assert index.group.tolist() == [0, 1, 0, 1, 4]


def test_case_may_count() -> None:
    index = WordIndex(VECTORS, 4, False)
    assert [index.find(word) for word in ("A", "a", "Strasse", "b")] == [2, 0, None, None]
    assert index.size == 4 and index.group.tolist() == [0, 1, 2, 3]


def test_more_than_there_are_and_none() -> None:
    assert WordIndex(VECTORS, 99, True).size == 5
    with pytest.raises(InputError, match="restrict_vocabulary is 0"):
        WordIndex(VECTORS, 0, True)
