from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from kpt import InputError, WordVectors
from kpt.vectors.projector import write_projector
from tests.vectors.made import made_vectors


def table(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_the_folder_is_what_tensorboard_reads(tmp_path: Path) -> None:
    vectors = made_vectors()
    folder = write_projector(vectors, tmp_path / "projector", count=50)
    assert sorted(path.name for path in folder.iterdir()) == ["metadata.tsv", "projector_config.pbtxt", "tensors.tsv"]
    values = np.array(table(folder / "tensors.tsv"), np.float64).astype(np.float32)
    np.testing.assert_array_equal(values, vectors.vectors[:50])
    names, *rows = table(folder / "metadata.tsv")
    assert names == ["word", "count"] and rows[1] == ["word1", "59"] and len(rows) == 50
    config = (folder / "projector_config.pbtxt").read_text()
    assert re.findall(r"tensor_shape: (\d+)", config) == ["50", "8"]
    assert re.findall(r'_path: "(.*)"', config) == ["tensors.tsv", "metadata.tsv"]
    assert config.count("{") == config.count("}") == 1


def test_words_alone_have_no_line_of_names(tmp_path: Path) -> None:
    vectors = WordVectors(["b", 'c"'], np.eye(2))
    folder = write_projector(vectors, tmp_path / "projector", count=99)
    assert (folder / "metadata.tsv").read_bytes() == b'b\nc"\n'


def test_all_or_nothing(tmp_path: Path) -> None:
    vectors = WordVectors(["new york", "b"], np.eye(2))
    for options, message in (({}, "white space"), ({"count": 0}, "count is 0")):
        with pytest.raises(InputError, match=message):
            write_projector(vectors, tmp_path / "projector", **options)
    assert not list(tmp_path.iterdir())
    write_projector(vectors, tmp_path / "projector", space="_")
    with pytest.raises(InputError, match="not empty"):
        write_projector(vectors, tmp_path / "projector", space="_")
    write_projector(vectors, tmp_path / "projector", count=1, space="-", overwrite=True)
    assert (tmp_path / "projector" / "metadata.tsv").read_bytes() == b"new-york\n"
