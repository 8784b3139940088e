from __future__ import annotations

import os
from pathlib import Path

import pytest

from kpt import InputError
from kpt.text.sources import file_kind, find_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.txt", "a.jsonl", "sub/c.TSV", "sub/d.csv.gz", "notes.md", ".hidden/e.txt", ".f.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    return tmp_path


def names(files: tuple[Path, ...], folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in files]


def test_a_folder_gives_its_known_files_sorted(folder: Path) -> None:
    assert names(find_files(folder), folder) == ["a.jsonl", "b.txt", "sub/c.TSV", "sub/d.csv.gz"]


def test_patterns_paths_and_order(folder: Path) -> None:
    assert names(find_files(f"{folder}/*.*"), folder) == ["a.jsonl", "b.txt", "notes.md"]
    assert names(find_files(f"{folder}/**/*.gz"), folder) == ["sub/d.csv.gz"]
    files = find_files([folder / "notes.md", f"{folder}/*.txt", folder / "b.txt", folder])
    assert names(files, folder) == ["notes.md", "b.txt", "a.jsonl", "sub/c.TSV", "sub/d.csv.gz"]


def test_a_folder_gives_whatever_has_a_kind(tmp_path: Path) -> None:
    given = ["a.json", "b.ndjson", "c.ndjson.gz", "d.md"]
    for name in given:
        (tmp_path / name).write_text("{}")
    assert names(find_files(tmp_path), tmp_path) == given[:3]


def test_several_names_of_one_file_count_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.txt").write_text("x")
    (tmp_path / "link.txt").symlink_to("sub/a.txt")
    assert find_files(["sub/a.txt", tmp_path / "sub" / "a.txt", "sub/../sub/*.txt", "link.txt", "."]) == (
        Path("sub/a.txt"),
    )


def test_a_file_whose_name_looks_like_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "a[1].txt").write_text("x")
    (tmp_path / "a1.txt").write_text("x")
    assert names(find_files(tmp_path / "a[1].txt"), tmp_path) == ["a[1].txt"]


def test_what_leads_to_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.txt does not exist"):
        find_files(tmp_path / "gone.txt")
    with pytest.raises(InputError, match=r"pattern .*\*\.txt matches no file"):
        find_files(f"{tmp_path}/*.txt")
    with pytest.raises(InputError, match=r"folder .* has no \.txt, \.jsonl, \.ndjson, \.json, \.csv, \.tsv file"):
        find_files(tmp_path)
    with pytest.raises(InputError, match="no files were given"):
        find_files([])
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="neither a file nor a folder"):
        find_files(tmp_path / "pipe")


def test_kinds() -> None:
    kinds = {name: file_kind(Path(name)) for name in ("a.txt", "a", "a.JSONL", "a.ndjson.gz", "a.csv", "a.tsv.gz")}
    assert list(kinds.values()) == ["text", "text", "jsonl", "jsonl", "csv", "tsv"]
