from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors

from kpt import InputError, WordVectors
from kpt.vectors import binary_format
from kpt.vectors.binary_format import read_binary, write_binary
from tests.vectors.made import assert_same_answers, in_gensim, made_vectors


@pytest.mark.parametrize("name", ["a.bin", "a.bin.gz"])
def test_gensim_loads_ours(name: str, tmp_path: Path) -> None:
    vectors = made_vectors()
    write_binary(vectors, tmp_path / name)
    theirs = KeyedVectors.load_word2vec_format(str(tmp_path / name), binary=True)
    assert tuple(theirs.index_to_key) == vectors.words
    np.testing.assert_array_equal(theirs.vectors, vectors.vectors)
    for word in vectors.words[::9]:
        assert_same_answers(vectors.most_similar(word), theirs.most_similar(word))


@pytest.mark.parametrize("name", ["a.bin", "a.bin.gz"])
@pytest.mark.parametrize("chunk", [7, 64, 1 << 22])
def test_we_load_gensims_and_ours(name: str, chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary_format, "_CHUNK", chunk)
    vectors = made_vectors(seed=3)
    in_gensim(vectors).save_word2vec_format(str(tmp_path / name), binary=True)
    write_binary(vectors, tmp_path / f"ours-{name}")
    for file in (name, f"ours-{name}"):
        loaded = read_binary(tmp_path / file)
        assert loaded.words == vectors.words and not loaded.problems
        np.testing.assert_array_equal(loaded.vectors, vectors.vectors)


def test_values_that_look_like_spaces_and_line_feeds(tmp_path: Path) -> None:
    values = np.frombuffer(b" \n \n\n\n\n\n    ", np.float32).reshape(1, 3)
    vectors = WordVectors(["a", "b"], np.concatenate([values, values]))
    write_binary(vectors, tmp_path / "a.bin")
    np.testing.assert_array_equal(read_binary(tmp_path / "a.bin").vectors, vectors.vectors)


def one(word: bytes, *values: float) -> bytes:
    return word + b" " + np.array(values, "<f4").tobytes()


def test_odd_words_by_rule(tmp_path: Path) -> None:
    rows = [one(b"a", 1), one(b"\xffb", 2), one(b"a", 3), one(b"c", 4)]
    for between in (b"", b"\n"):
        (tmp_path / "a.bin").write_bytes(b"4 1\n" + between.join(rows) + between)
        vectors = read_binary(tmp_path / "a.bin")
        assert vectors.words == ("a", "\ufffdb", "c") and vectors.vectors.ravel().tolist() == [1, 2, 4]
        assert vectors.problems == {"duplicate": 1, "invalid_utf8": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "does not begin with the numbers"),
        (b"cat 1 2\n", "does not begin with the numbers"),
        (b"0 2\n", "does not begin with the numbers"),
        (b"3 2\n" + one(b"a", 1, 2) + one(b"bcdefghijklmnop", 3, 4), "ends after 2 of the 3 words"),
        (b"1 2\n" + one(b"a", 1, 2) + one(b"b", 3, 4), "goes on after the 1 words of 2 values"),
        (b"2 1\n" + one(b"a", 1, 2) + one(b"b", 3, 4), "goes on after the 2 words of 1 values|word 2 is empty"),
        (b"2 3\n" + one(b"aaaaaaaaa", 1, 2) + one(b"b", 3, 4), "ends after 1 of the 2 words"),
        (b"9999999999 300\n" + one(b"a", 1, 2), "too small for the 9999999999 words of 300 values"),
        (
            b"2 2\n" + one(b"a", 1, 2) + one(b"b", 3, np.nan),
            r"the vector of 'b' \(word 2\) has a value that is no finite",
        ),
        (b"2 2\n" + one(b"a", 1, 2) + one(b"", 3, 4), "word 2 is empty"),
        (b"2 2\n" + one(b"a", 1, 2) + b"x" * 100_000, "word 2 has over 65,536 bytes"),
        (b"\xba\x16\x4f\x2f\x0c\x00\x00\x00", r"a model of fastText.*\.vec"),
        (b"\x80\x04\x95", "a pickle, which may run code"),
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_a_damaged_file_is_one_error(content: bytes, message: str, compressed: bool, tmp_path: Path) -> None:
    if compressed and "too small" in message:
        message = "too small|ends after"
    file = tmp_path / "a.bin"
    file.write_bytes(gzip.compress(content) if compressed else content)
    with pytest.raises(InputError, match=message) as error:
        read_binary(file)
    assert str(file) in str(error.value) and "\n" not in str(error.value)


def test_every_cut_of_a_file_is_an_error(tmp_path: Path) -> None:
    write_binary(made_vectors(5, 3), tmp_path / "a.bin")
    content = (tmp_path / "a.bin").read_bytes()
    for size in range(len(content) - 1):  # the last byte is a line feed, which gensim does not write
        (tmp_path / "cut.bin").write_bytes(content[:size])
        with pytest.raises(InputError, match=re.escape(str(tmp_path / "cut.bin"))):
            read_binary(tmp_path / "cut.bin")


def test_words_with_spaces_are_refused_or_replaced(tmp_path: Path) -> None:
    vectors = WordVectors(["new york", "b"], [[1, 2], [3, 4]])
    with pytest.raises(InputError, match="1 of 2 words have white space"):
        write_binary(vectors, tmp_path / "a.bin")
    assert not list(tmp_path.iterdir())
    write_binary(vectors, tmp_path / "a.bin", space="::")
    assert read_binary(tmp_path / "a.bin").words == ("new::york", "b")
