from __future__ import annotations

import gzip
import io
import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kpt.data.squad_records import read_squad_records
from kpt.errors import InputError


def document(*questions: Any, context: str = "😀 cafe\u0301") -> bytes:
    return json.dumps({"data": [{"paragraphs": [{"context": context, "qas": list(questions)}]}]}).encode()


def test_questions_need_no_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = document({"id": 7, "question": "What?", "level": 2}, {"id": "b", "question": "", "answers": "none"})
    path, packed = tmp_path / "a.json", tmp_path / "a.json.gz"
    path.write_bytes(data)
    packed.write_bytes(gzip.compress(data))
    problems: Counter[str] = Counter()
    first, second = read_squad_records(path, problems=problems)
    assert first.texts == ("What?", "😀 cafe\u0301") and first.place == f"{path}, question 7"
    assert first.record == {"id": "7", "question": "What?", "level": 2, "context": "😀 cafe\u0301"}
    assert second.texts == ("", "😀 cafe\u0301") and problems["empty"] == 1
    assert [one.texts for one in read_squad_records(packed)] == [first.texts, second.texts]
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    (one, _) = read_squad_records("-")
    assert one.texts == first.texts and one.place == "standard input, question 7"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{", "a.json is no valid json"),
        (b"[]", "a.json: no key 'data'"),
        (document(), "a.json has no question"),
        (document({"id": "1"}), "a.json, question 1: no key 'question'"),
        (document({"id": "1", "question": 3}), "a.json, question 1: 'question' is int, not a string"),
        (document({"id": None, "question": "Who?"}), "a.json, article 0, paragraph 0: the id None is no string"),
        (document(*[{"id": "1", "question": "Who?"}] * 2), "a.json, question 1: the id is there twice"),
    ],
)
def test_bad_input_is_named(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(InputError, match=message):
        read_squad_records(tmp_path / "a.json")
