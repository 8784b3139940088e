from __future__ import annotations

import numpy as np
import pytest

from kpt import InputError, WordVectors
from kpt.vectors.rows import Rows, read_header, written_words


def test_the_first_of_equal_words_counts() -> None:
    rows = Rows("a.txt", 1, 4)
    for word, value in ((b"a", 1), (b"b", 2), (b"a", 3), (b"c", 4)):
        rows.add(word, np.array([value], np.float32))
    vectors = rows.finish()
    assert vectors.words == ("a", "b", "c") and vectors.vectors.ravel().tolist() == [1, 2, 4]
    assert vectors.problems == {"duplicate": 1}


def test_invalid_bytes_are_replaced_and_counted() -> None:
    rows = Rows("a.txt", 1, 3)
    for word in (b"caf\xc3\xa9", b"caf\xc3", b"caf\xff"):
        rows.add(word, np.ones(1, np.float32))
    vectors = rows.finish()
    assert vectors.words == ("café", "caf\ufffd")
    assert vectors.problems == {"invalid_utf8": 2, "duplicate": 1}


def test_rows_of_unknown_number() -> None:
    rows = Rows("a.txt", 2, None)
    for number in range(40_000):
        rows.add(b"%d" % number, np.array([number, -number], np.float32))
    vectors = rows.finish()
    assert len(vectors) == 40_000 and vectors["39999"].tolist() == [39999, -39999]


def test_what_makes_no_vectors() -> None:
    with pytest.raises(InputError, match=r"a\.txt has no word"):
        Rows("a.txt", 1, None).finish()
    rows = Rows("a.txt", 1, 2)
    with pytest.raises(InputError, match=r"a\.txt: word 1 is empty"):
        rows.add(b"", np.ones(1, np.float32))
    rows.add(b"a", np.array([np.inf], np.float32))
    with pytest.raises(InputError, match=r"a\.txt: the vector of 'a' \(word 1\) has a value that is no finite number"):
        rows.finish()


def test_headers() -> None:
    assert read_header(b"12 300\n") == read_header(b" 12\t300 \r\n") == (12, 300)
    for line in (b"the 1 2\n", b"12\n", b"12 300 1\n", b"-1 3\n", b"1.5 3\n", b"\n", b"12 300\nx\n"):
        assert read_header(line) is None


def test_white_space_in_words_is_refused_or_replaced() -> None:
    vectors = WordVectors(["new york", "a\tb\nc", "d\xa0e"], np.eye(3))
    with pytest.raises(InputError, match="2 of 3 words have white space, 'new york' first"):
        list(written_words(vectors, None))
    assert list(written_words(vectors, "_")) == [b"new_york", b"a_b_c", "d\xa0e".encode()]
    assert next(written_words(vectors, "\\g<0>")) == b"new\\g<0>york"
    with pytest.raises(InputError, match="space is ' '"):
        list(written_words(vectors, " "))
    with pytest.raises(InputError, match="'a b' becomes 'a_b', which is there already"):
        list(written_words(WordVectors(["a b", "a_b"], np.eye(2)), "_"))
    with pytest.raises(InputError, match="becomes 'a_b', which is there already"):
        list(written_words(WordVectors(["a b", "a\tb"], np.eye(2)), "_"))
    with pytest.raises(InputError, match="no UTF-8"):
        list(written_words(WordVectors(["\ud800"], [[1]]), None))
