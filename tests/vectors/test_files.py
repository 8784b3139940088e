from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from kpt import InputError, WordVectors
from kpt.vectors import load_vectors, save_vectors
from kpt.vectors.files import file_format
from tests.vectors.made import made_vectors


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("a.txt", "text"),
        ("a.VEC.gz", "text"),
        ("a.bin", "binary"),
        ("a.bin.gz", "binary"),
        ("a.safetensors", "safetensors"),
    ],
)
def test_a_name_tells_the_format_and_so_does_the_content(name: str, format: str, tmp_path: Path) -> None:
    vectors = made_vectors()
    vectors.save(tmp_path / name)
    assert file_format(tmp_path / name) == format
    (tmp_path / name).rename(tmp_path / "model")
    assert file_format(tmp_path / "model") == format
    for loaded in (WordVectors.load(tmp_path / "model"), load_vectors(tmp_path / "model", format)):
        assert loaded.words == vectors.words
        np.testing.assert_array_equal(loaded.vectors, vectors.vectors)


def test_gloves_files_are_known_by_their_first_line(tmp_path: Path) -> None:
    (tmp_path / "glove.6B.50d").write_text("the 0.5 1\nof 2 3\n")
    assert WordVectors.load(tmp_path / "glove.6B.50d")["of"].tolist() == [2, 3]


def test_a_folder_for_tensorboard(tmp_path: Path) -> None:
    save_vectors(made_vectors(), tmp_path / "projector", "projector")
    assert (tmp_path / "projector" / "tensors.tsv").is_file()


def test_spaces_are_replaced_on_demand(tmp_path: Path) -> None:
    vectors = WordVectors(["a b", "c"], np.eye(2))
    for format in ("text", "binary"):
        save_vectors(vectors, tmp_path / format, format, space="_")
        assert load_vectors(tmp_path / format).words == ("a_b", "c")


def test_what_is_unknown_is_refused(tmp_path: Path) -> None:
    vectors = made_vectors()
    with pytest.raises(InputError, match=r"does not say its format; end it in \.txt, \.vec, \.bin, \.safetensors"):
        vectors.save(tmp_path / "model")
    with pytest.raises(InputError, match="format is 'json'"):
        save_vectors(vectors, tmp_path / "model", "json")
    with pytest.raises(InputError, match="format is 'projector'"):
        load_vectors(tmp_path / "model", "projector")
    with pytest.raises(InputError, match="missing"):
        load_vectors(tmp_path / "model")
    (tmp_path / "model").write_bytes(pickle.dumps({"vectors": [1]}))
    with pytest.raises(InputError, match="a pickle, which may run code"):
        load_vectors(tmp_path / "model")
    (tmp_path / "image").write_bytes(bytes(range(256)) * 100)
    with pytest.raises(InputError, match="does not begin with the numbers"):
        load_vectors(tmp_path / "image")
