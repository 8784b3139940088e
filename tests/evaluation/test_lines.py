from __future__ import annotations

from pathlib import Path

import pytest

from kpt import InputError
from kpt.evaluation import lines
from kpt.evaluation.lines import question_kind, read_lines


def test_lines_with_text_keep_their_numbers(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes("\ufeff# a note\r\n\r\na\tb \r\n   \nü\u2028x".encode())
    assert list(read_lines(tmp_path / "a")) == [(3, "a\tb "), (5, "ü\u2028x")]


def test_the_kind_is_that_of_the_first_line(tmp_path: Path) -> None:
    for content, kind in (("#\n\n: family\na b c d\n", "analogies"), ("# x\ncat\tdog\t3\n", "word_pairs")):
        (tmp_path / "a").write_text(content)
        assert question_kind(tmp_path / "a") == kind
    (tmp_path / "a").write_text("# a note\n\n")
    with pytest.raises(InputError, match="has no line with text"):
        question_kind(tmp_path / "a")


def test_what_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"a\nb\xff\n")
    with pytest.raises(InputError, match="a, line 2 is not UTF-8"):
        list(read_lines(tmp_path / "a"))
    monkeypatch.setattr(lines, "_LARGEST", 3)
    with pytest.raises(InputError, match="over 3 bytes"):
        list(read_lines(tmp_path / "a"))
    with pytest.raises(InputError, match="missing"):
        list(read_lines(tmp_path / "b"))
    with pytest.raises(InputError, match="a folder"):
        list(read_lines(tmp_path))
