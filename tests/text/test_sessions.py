from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kpt import InputError
from kpt.text import Sessions


def read(path: Path, content: str, **options: Any) -> tuple[list[tuple[str | None, str, int | None]], dict[str, int]]:
    path.write_text(content, encoding="utf-8")
    sessions = Sessions(path, **options)
    return [(document.id, document.text, document.position) for document in sessions], dict(sessions.problems)


def test_json_lines(tmp_path: Path) -> None:
    content = '{"items": ["a", 7, "b"]}\n\n{"session": "x", "items": []}\n{"session": 5, "items": ["red  shoe"]}\n'
    documents, problems = read(tmp_path / "a.jsonl", content, space="_")
    assert documents == [(None, "a 7 b", 1), ("5", "red_shoe", 4)]
    assert problems == {"empty": 1}
    documents, _ = read(tmp_path / "a.jsonl", '{"who": 1, "seen": [3]}\n', items_field="seen", session_field="who")
    assert documents == [("1", "3", 1)]


def test_events_of_a_table(tmp_path: Path) -> None:
    content = "time\titem\tsession\n1\ta\tx\n2\tb\tx\n\n1\ta\ty\n"
    documents, _ = read(tmp_path / "a.tsv", content)
    assert documents == [("x", "a b", 2), ("y", "a", 5)]
    documents, _ = read(tmp_path / "a.tsv", "user\tfilm\n1\tM\n", session_field="user", item_field="film")
    assert documents == [("1", "M", 2)]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl", '{"items": ["a"]}\nnothing\n', "line 2: not JSON"),
        ("a.jsonl", '{"item": ["a"]}\n', "line 1: no list 'items'"),
        ("a.jsonl", '{"items": "a b"}\n', "line 1: no list 'items'"),
        ("a.jsonl", '{"items": ["a", 1.5]}\n', "line 1: the item 1.5 is no string or whole number"),
        ("a.jsonl", '{"items": ["a", null]}\n', "the item None is no string"),
        ("a.jsonl", '{"items": ["a", " "]}\n', "line 1: an item is empty"),
        ("a.jsonl", '{"items": ["a b"]}\n', "line 1: the item 'a b' has white space"),
        ("a.jsonl", '{"items": ["a"], "session": [1]}\n', "line 1: 'session' is no string"),
        ("a.tsv", "a\tb\n1\t2\n", "line 1: 0 columns 'session'"),
        ("a.tsv", "session\titem\titem\n", "line 1: 2 columns 'item'"),
        ("a.tsv", "session\titem\nx\ta\nx\n", "line 3: 1 columns where the first line has 2"),
        ("a.tsv", "session\titem\nx\t\n", "line 2: an item is empty"),
        ("a.tsv", "session\titem\nx\ta\ny\ta\nx\tb\n", "line 4: the session 'x' comes again"),
        ("a.tsv", "session\titem\n", "no sequence was found"),
        ("a.txt", "a b\n", "is neither .jsonl nor .tsv"),
    ],
)
def test_what_does_not_fit_is_named_by_its_line(name: str, content: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        read(tmp_path / name, content)


def test_a_wrong_space(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="space is ' '"):
        read(tmp_path / "a.tsv", "session\titem\n", space=" ")
