from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from kpt import InputError, WordVectors
from kpt.vectors.safetensors_format import read_safetensors, write_safetensors
from tests.vectors.made import made_vectors


@pytest.mark.parametrize("counts", [True, False])
def test_all_comes_back(counts: bool, tmp_path: Path) -> None:
    made = made_vectors()
    words = [*made.words[:-2], "new york\n\t", " "]
    vectors = WordVectors(words, made.vectors, made.counts if counts else None)
    write_safetensors(vectors, tmp_path / "a.safetensors")
    again = read_safetensors(tmp_path / "a.safetensors")
    assert again.words == vectors.words and not again.problems
    np.testing.assert_array_equal(again.vectors, vectors.vectors)
    if counts:
        assert again.counts is not None and again.counts.tolist() == list(range(60, 0, -1))
    else:
        assert again.counts is None
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_others_read_the_tensors(tmp_path: Path) -> None:
    write_safetensors(WordVectors(["ab", "中"], [[1, 2], [3, 4]]), tmp_path / "a.safetensors")
    tensors = load_file(tmp_path / "a.safetensors")
    assert tensors["vectors"].tolist() == [[1, 2], [3, 4]]
    assert tensors["words"].tobytes().decode() == "ab中" and tensors["word_ends"].tolist() == [2, 5]


NOTE = {"format": "kpt-word-vectors", "version": "1"}


def tensors(**changes: Any) -> dict[str, np.ndarray]:
    whole = {
        "vectors": np.ones((2, 3), np.float32),
        "words": np.frombuffer(b"ab", np.uint8),
        "word_ends": np.array([1, 2]),
    }
    return {name: value for name, value in (whole | changes).items() if value is not None}


@pytest.mark.parametrize(
    ("changed", "note", "message"),
    [
        (tensors(), {"format": "pt"}, "safetensors, but not of word vectors"),
        (tensors(), NOTE | {"version": "2"}, "safetensors, but not of word vectors"),
        (tensors(words=None), NOTE, "lacks the tensor 'words'"),
        (tensors(vectors=np.ones((2, 3))), NOTE, "'vectors' of another type or shape"),
        (tensors(vectors=np.ones(2, np.float32)), NOTE, "'vectors' of another type or shape"),
        (tensors(counts=np.ones(2, np.float32)), NOTE, "'counts' of another type"),
        (tensors(word_ends=np.array([1, 3])), NOTE, "do not end where"),
        (tensors(word_ends=np.array([2, 1])), NOTE, "do not end where"),
        (tensors(word_ends=np.array([0, 2])), NOTE, "do not end where"),
        (tensors(word_ends=np.array([2])), NOTE, "1 words have vectors"),
        (tensors(words=np.frombuffer(b"aa", np.uint8)), NOTE, "comes twice"),
        (tensors(words=np.frombuffer(b"\xff\xfe", np.uint8)), NOTE, "utf-8"),
        (tensors(vectors=np.full((2, 3), np.nan, np.float32)), NOTE, "no finite number"),
        (tensors(counts=np.array([-1, 2])), NOTE, "counts must be"),
    ],
)
def test_other_tensors_are_refused(changed: Any, note: dict[str, str], message: str, tmp_path: Path) -> None:
    save_file(changed, tmp_path / "a.safetensors", metadata=note)
    with pytest.raises(InputError, match=message) as error:
        read_safetensors(tmp_path / "a.safetensors")
    assert str(tmp_path / "a.safetensors") in str(error.value)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    write_safetensors(made_vectors(), tmp_path / "a.safetensors")
    whole = (tmp_path / "a.safetensors").read_bytes()
    for content in (b"", b"\0" * 20, whole[:100], whole[:-1], whole + b"x", b"\xff" * 8 + whole[8:]):
        (tmp_path / "b.safetensors").write_bytes(content)
        with pytest.raises(InputError, match="damaged or no safetensors"):
            read_safetensors(tmp_path / "b.safetensors")
    with pytest.raises(InputError, match="missing"):
        read_safetensors(tmp_path / "c.safetensors")
    with pytest.raises(InputError, match="no UTF-8"):
        write_safetensors(WordVectors(["\udfff"], [[1]]), tmp_path / "d.safetensors")
