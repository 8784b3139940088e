from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from kpt import InputError
from kpt.data.labelled import label_ids, label_names, read_labelled


def test_the_same_records_from_each_kind_of_file(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "It rained.", "label": "wet"}\n\n{"text": "Sun", "label": "dry"}\n')
    (tmp_path / "a.csv").write_text('label,text\nwet,"It rained."\ndry,Sun\n')
    (tmp_path / "a.tsv.gz").write_bytes(gzip.compress(b"text\tlabel\nIt rained.\twet\nSun\tdry\n"))
    for name, lines in (("a.jsonl", (1, 3)), ("a.csv", (2, 3)), ("a.tsv.gz", (2, 3))):
        data = read_labelled(tmp_path / name)
        assert (data.texts, data.pairs, data.labels) == (["It rained.", "Sun"], None, ["wet", "dry"])
        assert data.places == [f"{tmp_path / name}, line {line}" for line in lines]


def test_pairs_numbers_and_several_labels(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"a": "x", "b": "y\\u0000", "score": "2.5", "tags": ["p", 3]}\n')
    data = read_labelled(file, text_field="a", pair_field="b", label_field="score", labels="number")
    assert (data.texts, data.pairs, data.labels) == (["x"], ["y"], [2.5])
    assert data.problems == {"nul": 1}
    assert read_labelled(file, text_field="a", label_field="tags", labels="several").labels == [("p", "3")]
    table = tmp_path / "a.tsv"
    table.write_text("text\tlabel\none\tp|q\nnone\t\n")
    assert read_labelled(table, labels="several").labels == [("p", "q"), ()]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "It rained.\n", "a.txt is plain text, which has no labels"),
        ("a.csv", "text,label\n", "a.csv has no record"),
        ("a.csv", "text,tag\nx,y\n", "a.csv, line 1: no field 'label'"),
        ("a.csv", "txt,label\nx,y\n", "a.csv, line 1: no field 'text'"),
        ("a.csv", 'text,label\n"x",y\n ,y\n', "a.csv, line 3: the field 'text' is empty"),
        ("a.csv", "text,label\nx,\n", "a.csv, line 2: the label in 'label' is missing"),
        ("a.csv", "text,label\nx,y,z\n", "a.csv, line 2: 3 fields where the first record has 2"),
        ("a.jsonl", '{"text": "x"}\n', "a.jsonl, line 1: no field 'label' .fields: 'text'."),
        ("a.jsonl", '{"text": "x", "label": null}\n', "a.jsonl, line 1: the label in 'label' is missing"),
        ("a.jsonl", '{"text": "x", "label": ["y"]}\n', "line 1: the label in 'label' is list, not a string"),
        ("a.jsonl", '{"text": 3, "label": "y"}\n', "a.jsonl, line 1: field 'text' is int, not a string"),
        ("a.jsonl", "x\n", "a.jsonl, line 1: not JSON"),
    ],
)
def test_refusals_name_file_and_line(name: str, content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        read_labelled(tmp_path / name)


@pytest.mark.parametrize("value", ['"much"', "true", "null", '"nan"', "[1]"])
def test_a_number_is_a_finite_one(value: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(f'{{"text": "x", "label": {value}}}\n')
    with pytest.raises(InputError, match=r"line 1: the label in 'label' is .* no finite number"):
        read_labelled(tmp_path / "a.jsonl", labels="number")


def test_names_of_labels() -> None:
    assert label_names(["pos", "neg", "pos"]) == ("neg", "pos")
    assert label_names(["10", "-1", "9"]) == ("-1", "9", "10")
    with pytest.raises(InputError, match="only the label 'pos' in 2 texts"):
        label_names(["pos", "pos"])
    with pytest.raises(InputError, match="no label in 1 texts"):
        label_names([()])


def test_a_label_that_is_not_known_is_named_with_its_place() -> None:
    with pytest.raises(InputError, match=r"a\.csv, line 3: the label 'c' is not among those of the training"):
        label_ids(["a", "c"], ["a", "b"], places=["a.csv, line 2", "a.csv, line 3"])
    with pytest.raises(InputError, match="text 0: the label 1 is not among"):
        label_ids([1], ["a", "b"])
    with pytest.raises(InputError, match="text 0 has one label, 'a'"):
        label_ids(["a"], ["a", "b"], several=True)
    assert label_ids([("b",), ()], ["a", "b"], several=True).dtype == np.float32
