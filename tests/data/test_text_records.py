from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from kpt import InputError
from kpt.data.text_records import read_text_records


def test_each_kind_of_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n\n two \nthree")
    problems: Counter[str] = Counter()
    lines = list(read_text_records(tmp_path / "a.txt", problems=problems))
    assert [record.texts for record in lines] == [("one",), ("",), (" two ",), ("three",)]
    assert lines[2].record == {"text": " two "} and lines[2].place == f"{tmp_path / 'a.txt'}, line 3"
    assert problems == {"empty": 1}
    (tmp_path / "a.jsonl").write_text('{"text": "a\\u0000", "id": 7}\n\n{"text": ""}\n')
    first, second = read_text_records(tmp_path / "a.jsonl", problems=problems)
    assert (first.texts, first.record["id"], second.texts) == (("a",), 7, ("",))
    assert problems == {"empty": 2, "nul": 1}
    (tmp_path / "a.csv").write_text('id,text,more\n7,"one, two",x\n')
    (record,) = read_text_records(tmp_path / "a.csv", pair_field="more")
    assert record.texts == ("one, two", "x") and record.record["id"] == "7"
    (record,) = read_text_records(str(tmp_path / "a.csv"), kind="tsv", text_field="id,text,more")
    assert record.texts == ('7,"one, two",x',)


def test_standard_input_is_read_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Pipe(io.BytesIO):
        def read1(self, size: int | None = -1) -> bytes:
            return self.readline()

    pipe = Pipe(b"\xef\xbb\xbfone\r\ntwo\ncaf\xe9")
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=pipe))
    problems: Counter[str] = Counter()
    records = read_text_records("-", problems=problems)
    assert next(records).texts == ("one",) and pipe.tell() < 14
    assert [record.texts[0] for record in records] == ["two", "caf\ufffd"]
    assert problems["invalid_utf8"] == 1
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b'{"text": "one"}\n{"txt": 1}\n')))
    records = read_text_records("-", kind="jsonl")
    assert next(records).texts == ("one",)
    with pytest.raises(InputError, match="standard input, line 2: no field 'text'"):
        next(records)


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        next(read_text_records(tmp_path / "a.txt"))
    (tmp_path / "a.txt").write_text("one\n")
    with pytest.raises(InputError, match="line 1: no field 'pair'"):
        next(read_text_records(tmp_path / "a.txt", pair_field="pair"))
