from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from kpt.data.squad import read_squad
from kpt.errors import InputError


def asked(name: str = "q1", begin: Any = 5, text: str = "sang", **more: Any) -> dict[str, Any]:
    return {"id": name, "question": "What?", "answers": [{"text": text, "answer_start": begin}], **more}


def written(folder: Path, *questions: Any, context: str = "Anna sang.", name: str = "a.json") -> Path:
    path = folder / name
    path.write_text(json.dumps({"data": [{"paragraphs": [{"context": context, "qas": list(questions)}]}]}))
    return path


def test_questions_with_and_without_answers(tmp_path: Path) -> None:
    several = asked("q2")
    several["answers"].append({"text": "Anna sang", "answer_start": 0})
    none = {"id": "q3", "question": "Why?", "answers": [], "is_impossible": True, "plausible_answers": []}
    path = written(tmp_path, asked(), several, none)
    data = read_squad(path)
    assert data.answers == [[(5, 9)], [(5, 9), (0, 9)], []]
    assert data.golds == [["sang"], ["sang", "Anna sang"], []]
    assert data.ids == ["q1", "q2", "q3"] and data.places[2] == f"{path}, question q3"
    packed = tmp_path / "a.json.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert read_squad(packed).answers == data.answers


def test_offsets_are_characters(tmp_path: Path) -> None:
    path = written(tmp_path, asked(begin=2, text="cafe\u0301"), context="😀 cafe\u0301 👩‍👩‍👧")
    assert read_squad([path]).golds == [["cafe\u0301"]]


@pytest.mark.parametrize(
    ("questions", "context", "message"),
    [
        ([asked(begin=4)], "Anna sang.", "question q1: the answer 'sang' is not at character 4 of the context"),
        ([asked(begin=-1)], "Anna sang.", "question q1: answer_start is -1"),
        ([asked(begin="5")], "Anna sang.", "question q1: answer_start is '5'"),
        ([asked(text="")], "Anna sang.", "question q1: an answer is empty"),
        ([asked()], " \n", "question q1: the context is empty"),
        ([asked(question=" ")], "Anna sang.", "question q1: the question is empty"),
        ([asked(), asked()], "Anna sang.", r"question q1: the id is there twice \(before in .*a.json\)"),
        ([{"id": "q1", "question": "What?"}], "Anna sang.", "question q1: no key 'answers'"),
        ([{"id": "q1", "answers": []}], "Anna sang.", "question q1: no key 'question'"),
        ([{"question": "What?", "answers": []}], "Anna sang.", "article 0, paragraph 0: no key 'id'"),
        ([asked(answers=None)], "Anna sang.", "question q1: 'answers' is NoneType, not a list"),
        ([], "Anna sang.", "has no question"),
    ],
)
def test_bad_input_is_named(tmp_path: Path, questions: list[Any], context: str, message: str) -> None:
    path = written(tmp_path, *questions, context=context)
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}.*{message}"):
        read_squad(path)


def test_no_squad_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(InputError, match="does not exist"):
        read_squad(path)
    path.write_text("{")
    with pytest.raises(InputError, match="no valid json"):
        read_squad(path)
    path.write_text("[]")
    with pytest.raises(InputError, match="no key 'data'"):
        read_squad(path)
