from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors

from kpt import InputError, WordVectors
from kpt.vectors.text_format import read_text, write_text
from tests.vectors.made import assert_same_answers, in_gensim, made_vectors


@pytest.mark.parametrize("name", ["a.txt", "a.vec.gz"])
def test_gensim_loads_ours(name: str, tmp_path: Path) -> None:
    vectors = made_vectors()
    write_text(vectors, tmp_path / name)
    theirs = KeyedVectors.load_word2vec_format(str(tmp_path / name))
    assert tuple(theirs.index_to_key) == vectors.words
    np.testing.assert_array_equal(theirs.vectors, vectors.vectors)
    for word in vectors.words[::9]:
        assert_same_answers(vectors.most_similar(word), theirs.most_similar(word))
    again = read_text(tmp_path / name)
    assert again.words == vectors.words and not again.problems
    np.testing.assert_array_equal(again.vectors, vectors.vectors)


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
@pytest.mark.parametrize("header", [True, False])
def test_we_load_gensims(name: str, header: bool, tmp_path: Path) -> None:
    vectors = made_vectors(seed=3)
    in_gensim(vectors).save_word2vec_format(str(tmp_path / name), write_header=header)
    theirs = KeyedVectors.load_word2vec_format(str(tmp_path / name), no_header=not header)
    ours = read_text(tmp_path / name)
    assert ours.words == tuple(theirs.index_to_key)
    np.testing.assert_array_equal(ours.vectors, theirs.vectors)


def test_extreme_numbers_come_back_exactly(tmp_path: Path) -> None:
    info = np.finfo(np.float32)
    values = np.array([info.max, info.min, info.tiny, info.smallest_subnormal, 0.1, 1 / 3, -0.0, 16777217], np.float32)
    bits = np.random.default_rng(0).integers(0, 1 << 32, 8000, np.uint32).view(np.float32)
    values = np.concatenate([values, bits[np.isfinite(bits)][:7992]])
    values = values[: len(values) // 8 * 8].reshape(-1, 8)
    vectors = WordVectors([str(i) for i in range(len(values))], values)
    write_text(vectors, tmp_path / "a.txt")
    np.testing.assert_array_equal(read_text(tmp_path / "a.txt").vectors.view(np.uint32), values.view(np.uint32))


def test_fasttexts_lines(tmp_path: Path) -> None:
    (tmp_path / "a.vec").write_bytes("2 3\r\n,  0.5 -1e-3 2 \r\n\u3000\xa0 1 2 3 \r\n\r\n".encode())
    vectors = read_text(tmp_path / "a.vec")
    assert vectors.words == (",", "\u3000\xa0")
    np.testing.assert_allclose(vectors.vectors, [[0.5, -1e-3, 2], [1, 2, 3]])


def test_odd_words_by_rule(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"4 1\na 1\n\xffb 2\na 3\nc 4\n")
    vectors = read_text(tmp_path / "a.txt")
    assert vectors.words == ("a", "\ufffdb", "c") and vectors.vectors.ravel().tolist() == [1, 2, 4]
    assert vectors.problems == {"duplicate": 1, "invalid_utf8": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1: the word '' has a value that is no number"),
        (b"3 2\na 1 2\nb 3 4\n", "ends after 2 of the 3 words that its first line states"),
        (b"1 2\na 1 2\nb 3 4\n", r"goes on after the 1 words of its first line \(line 3\)"),
        (b"2 3\na 1\nb 3\n", "too small"),
        (b"2 3\naaaaa 1 2\nb 3 4\n", "line 2: the word 'aaaaa' has 2 values and not 3"),
        (b"2 2\nnew york 1 2\nb 3 4\n", r"line 2: the word 'new' has 3 values and not 2; .*a word with a space"),
        (b"2 1\na 1 2\nb 3 4\n", "line 2: the word 'a' has 2 values and not 1"),
        (b"2 2\na 1 2\nb 3 x\n", "line 3: the word 'b' has a value that is no number"),
        (b"2 2\na 1 2\nb 3 4,5\n", "line 3: the word 'b' has a value that is no number"),
        (b"2 2\na 1 2\nb 3 0x1p3\n", "no number"),
        (b"2 2\na 1 2\nb nan 4\n", r"the vector of 'b' \(word 2\) has a value that is no finite number"),
        (b"2 2\na 1 2\nb 3 1e99\n", "no finite number"),
        (b"2 2\na 1 2\nb 3 4.5", "line 3 has no line end, as where a file was cut off"),
        (b"2 2\na 1 2\n\nb 3 4\n", "ends after 1 of the 2 words"),
        (b"2 2\na 1 2\n 3 4\n", "word 2 is empty"),
        (b"0 2\n", "line 1 states 0 words of 2 values"),
        (b"999999999999999999 300\na 1\n", "too small for the 999999999999999999 words"),
        (b"a 1 2\nb 3\n", "line 2: the word 'b' has 1 values and not 2"),
        (b"a 1 2\n\nb 3 4\n", "goes on after an empty line"),
        (b"\x00\x01\x02\xff\xfe", "no line end"),
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_a_damaged_file_is_one_error(content: bytes, message: str, compressed: bool, tmp_path: Path) -> None:
    if compressed and "too small" in message:
        message = "too small|has 2 values|ends after|has 1 values"  # how much a gzip file holds is not known before
    file = tmp_path / "a.txt"
    file.write_bytes(gzip.compress(content) if compressed else content)
    with pytest.raises(InputError, match=message) as error:
        read_text(file)
    assert str(file) in str(error.value) and "\n" not in str(error.value)


def test_every_cut_of_a_file_is_an_error(tmp_path: Path) -> None:
    write_text(made_vectors(5, 3), tmp_path / "a.txt")
    content = (tmp_path / "a.txt").read_bytes()
    for size in range(len(content)):
        (tmp_path / "cut.txt").write_bytes(content[:size])
        with pytest.raises(InputError, match=re.escape(str(tmp_path / "cut.txt"))):
            read_text(tmp_path / "cut.txt")


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kpt.vectors.text_format._LONGEST_LINE", 100)
    (tmp_path / "a.txt").write_bytes(b"a" * 1000)
    with pytest.raises(InputError, match="line 1 is longer than 100 bytes"):
        read_text(tmp_path / "a.txt")


def test_words_with_spaces_are_refused_or_replaced(tmp_path: Path) -> None:
    vectors = WordVectors(["new york", "b"], [[1, 2], [3, 4]])
    with pytest.raises(InputError, match="1 of 2 words have white space"):
        write_text(vectors, tmp_path / "a.txt")
    assert not list(tmp_path.iterdir())
    write_text(vectors, tmp_path / "a.txt", space="_")
    assert (tmp_path / "a.txt").read_bytes() == b"2 2\nnew_york 1 2\nb 3 4\n"
