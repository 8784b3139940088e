from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from kpt import InputError
from kpt.vectors.streams import is_gzip, largest_size, open_for_reading, open_for_writing


def test_gzip_by_name_out_and_by_content_in(tmp_path: Path) -> None:
    for name, compressed in (("a.txt", False), ("a.TXT.GZ", True)):
        with open_for_writing(tmp_path / name) as stream:
            stream.write(b"line\n" * 1000)
        assert is_gzip(tmp_path / name) is compressed
        (tmp_path / name).rename(tmp_path / "renamed")
        with open_for_reading(tmp_path / "renamed") as stream:
            assert stream.readline() == b"line\n"
            assert len(stream.read()) == 4995
        assert largest_size(tmp_path / "renamed") >= 5000


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.gz", "b.gz"):
        with open_for_writing(tmp_path / name) as stream:
            stream.write(b"content")
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()) == b"content"


def test_a_file_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    for name in ("a.txt", "a.gz"):
        (tmp_path / name).write_bytes(b"old")
        with pytest.raises(RuntimeError), open_for_writing(tmp_path / name) as stream:
            stream.write(b"half")
            raise RuntimeError
        assert (tmp_path / name).read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.gz", "a.txt"]


def test_what_cannot_be_read_is_one_error(tmp_path: Path) -> None:
    whole = gzip.compress(bytes(range(256)) * 200)
    for name, content, message in (
        ("cut.gz", whole[:-20], "damaged gzip"),
        ("bad.gz", whole[:200] + b"\0" * 40 + whole[240:], "damaged gzip"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=message), open_for_reading(tmp_path / name) as stream:
            while stream.read(1 << 16):
                pass
    with pytest.raises(InputError, match="missing"), open_for_reading(tmp_path / "no file"):
        pass
    with pytest.raises(InputError, match="a folder"), open_for_reading(tmp_path):
        pass
