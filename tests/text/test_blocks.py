from __future__ import annotations

import gzip
import io
from collections import Counter
from pathlib import Path

import pytest

from kpt import InputError
from kpt.text import blocks
from kpt.text.blocks import is_compressed, read_beginning, read_blocks, stream_blocks


def read(path: Path, start: int = 0, end: int | None = None) -> tuple[str, dict[str, int]]:
    problems: Counter[str] = Counter()
    return "".join(read_blocks(path, start, end, problems=problems)), dict(problems)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a.txt"


@pytest.mark.parametrize(
    ("content", "text", "problems"),
    [
        (b"", "", {}),
        (b"plain\n", "plain\n", {}),
        (b"\xef\xbb\xbfmarked", "marked", {}),
        (b"one\r\ntwo\rthree\n\rfour", "one\ntwo\nthree\n\nfour", {}),
        (b"page\x0cbreak\x0b\xc2\x85\xe2\x80\xa8\n", "page\x0cbreak\x0b\x85\u2028\n", {}),
        (b"a\0b\0", "ab", {"nul": 2}),
        (b"caf\xe9 \xff\xfe", "caf\ufffd \ufffd\ufffd", {"invalid_utf8": 3}),
        (b"cut \xf0\x9f\x98", "cut \ufffd", {"invalid_utf8": 1}),
        ("kept \ufffd \xe9".encode() + b"\xff", "kept \ufffd \xe9\ufffd", {"invalid_utf8": 1}),
    ],
    ids=["empty", "plain", "mark", "line ends", "no line ends", "nul", "invalid", "truncated", "own U+FFFD"],
)
@pytest.mark.parametrize("size", [3, 4, 1 << 20])
def test_rules(
    file: Path, content: bytes, text: str, problems: dict[str, int], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", size)
    file.write_bytes(content)
    assert read(file) == (text, problems)


def test_gzip_is_known_by_its_content(file: Path, tmp_path: Path) -> None:
    file.write_bytes(gzip.compress(b"one\n") + gzip.compress(b"two\n"))
    assert is_compressed(file)
    assert read(file) == ("one\ntwo\n", {})
    empty = tmp_path / "empty.gz"
    empty.write_bytes(b"")
    assert read(empty) == ("", {})


def test_a_part_of_a_file(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbfone\ntwo\nthree\n")
    assert read(file, 0, 7) == ("one\n", {})
    assert read(file, 7, 11) == ("two\n", {})
    assert read(file, 11) == ("three\n", {})


def test_progress_adds_up_to_the_size_on_the_disk(file: Path) -> None:
    for content in (b"line\n" * 500_000, gzip.compress(b"line\n" * 500_000)):
        file.write_bytes(content)
        steps: list[int] = []
        assert sum(len(text) for text in read_blocks(file, problems=Counter(), advance=steps.append)) == 2_500_000
        assert sum(steps) == len(content)


def test_the_beginning(file: Path) -> None:
    file.write_bytes(b"caf\xe9 " * 500_000)
    assert read_beginning(file) == ("caf\ufffd " * 500_000)[: 1 << 20]


def test_what_is_no_text_is_refused(file: Path, tmp_path: Path) -> None:
    file.write_bytes("one".encode("utf-16"))
    with pytest.raises(InputError, match=r"a\.txt is UTF-16; convert it"):
        read(file)
    file.write_bytes(bytes(range(128, 192)))
    with pytest.raises(InputError, match=r"a\.txt is not UTF-8 text \(64 invalid of the first 64 characters\)"):
        read(file)
    damaged = tmp_path / "b.gz"
    for content in (gzip.compress(b"one" * 100)[:-9], gzip.compress(b"one" * 100)[:-8] + bytes(8)):
        damaged.write_bytes(content)
        with pytest.raises(InputError, match=r"b\.gz is damaged gzip"):
            read(damaged)
    damaged.write_bytes(b"plain")
    with pytest.raises(InputError, match=r"b\.gz is named \.gz but is not gzip"):
        read(damaged)
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\)"):
        read(tmp_path)


def test_a_stream_follows_the_rules_of_files() -> None:
    class Slow(io.BytesIO):
        def read1(self, size: int | None = -1) -> bytes:
            return super().read(3)

    problems: Counter[str] = Counter()
    content = b"\xef\xbb\xbfone\r\ncaf\xc3\xa9\x00\r\xff"
    pieces = list(stream_blocks(Slow(content), "input", problems=problems))
    assert "".join(pieces) == "one\ncaf\u00e9\n\ufffd" and len(pieces) > 3
    assert problems == {"nul": 1, "invalid_utf8": 1}
    with pytest.raises(InputError, match="input is UTF-16"):
        list(stream_blocks(io.BytesIO("one".encode("utf-16")), "input", problems=problems))
