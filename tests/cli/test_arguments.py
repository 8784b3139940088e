from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from kpt import InputError
from kpt.cli.arguments import (
    add_backend_argument,
    add_corpus_arguments,
    add_out_argument,
    add_source_argument,
    check_out,
    corpus_from,
    named,
    positive_integer,
    positive_number,
    proportion,
    whole_number,
)


def test_numbers() -> None:
    assert [positive_integer(text) for text in ("1", "8000", "8_000", "8,000")] == [1, 8000, 8000, 8000]
    assert [whole_number(text) for text in ("0", "12")] == [0, 12]
    assert [positive_number(text) for text in ("1e-3", "2")] == [0.001, 2.0]
    assert proportion("0.05") == 0.05


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (positive_integer, "0"),
        (positive_integer, "-1"),
        (positive_integer, "1.5"),
        (positive_integer, "many"),
        (whole_number, "-1"),
        (whole_number, "x"),
        (positive_number, "0"),
        (positive_number, "nan"),
        (positive_number, "inf"),
        (positive_number, "x"),
        (proportion, "1"),
        (proportion, "0"),
    ],
)
def test_what_is_no_such_number_is_quoted(read: object, text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f"'{text}' is not a "):
        read(text)  # type: ignore[operator]


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_corpus_arguments(parser)
    add_out_argument(parser, "everything", default="here")
    add_backend_argument(parser)
    return parser.parse_args(words)


def test_defaults() -> None:
    arguments = parse()
    assert (arguments.out, arguments.overwrite, arguments.backend) == (Path("here"), False, None)


def test_a_corpus_of_files(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"body": "one"}\n{"body": "two"}\n', encoding="utf-8")
    assert list(corpus_from(parse(str(file), "--text-field", "body")).texts()) == ["one", "two"]


def test_the_length_of_documents(tmp_path: Path) -> None:
    (file := tmp_path / "a.txt").write_text("one two three")
    words = (str(file), "--documents", "file")
    assert list(corpus_from(parse(*words)).texts()) == ["one two three"]
    assert list(corpus_from(parse(*words, "--maximum-characters", "9")).texts()) == ["one two", "three"]


def test_lines_as_documents(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("one\ntwo\n\nthree\n", encoding="utf-8")
    assert list(corpus_from(parse(str(file), "--documents", "line")).texts()) == ["one", "two", "three"]


def test_the_corpus_that_is_always_there() -> None:
    assert "python" in corpus_from(parse("--documentation")).packages


def test_no_text_or_two_kinds_of_it() -> None:
    with pytest.raises(InputError, match="no text is given; name FILES"):
        corpus_from(parse())
    with pytest.raises(InputError, match="both FILES and --documentation are given"):
        corpus_from(parse("a.txt", "--documentation"))


def test_a_free_folder(tmp_path: Path) -> None:
    check_out(tmp_path / "new", "manifest.json", overwrite=False)
    check_out(tmp_path / "deep" / "new", "manifest.json", overwrite=False)
    (tmp_path / "empty").mkdir()
    check_out(tmp_path / "empty", "manifest.json", overwrite=False)
    assert not (tmp_path / "new").exists()


def test_a_folder_with_a_result_is_replaced_only_on_demand(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").touch()
    with pytest.raises(InputError, match="is not empty; choose another --out, or add --overwrite"):
        check_out(tmp_path, "manifest.json", overwrite=False)
    check_out(tmp_path, "manifest.json", overwrite=True)
    assert (tmp_path / "manifest.json").exists()


def test_a_folder_with_something_else_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InputError, match=r"holds something else \(it has no manifest\.json\)"):
        check_out(tmp_path, "manifest.json", overwrite=True)


def test_a_file_in_the_way(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(InputError, match="is a file where a folder is to be written"):
        check_out(file, "manifest.json", overwrite=True)
    with pytest.raises(InputError, match="cannot write to the folder"):
        check_out(file / "below", "manifest.json", overwrite=False)


def test_a_url_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"^gs://bucket/out is a URL; write to a folder here, then copy it there$"):
        check_out(Path("gs://bucket/out"), "manifest.json", overwrite=False)
    check_out(Path("c:out"), "manifest.json", overwrite=False)


@pytest.mark.parametrize("text", ["1,5", "1,00", "1,0000", ",100"])
def test_a_comma_that_parts_no_thousands_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a whole number from 1 up"):
        positive_integer(text)


def test_a_source_keeps_the_two_slashes_of_a_name() -> None:
    parser = argparse.ArgumentParser()
    add_source_argument(parser)
    assert parser.parse_args(["--from", "hf://a/b"]).source == "hf://a/b"


def test_files_of_one_name_keep_their_paths() -> None:
    assert list(named([Path("a/x.txt"), Path("b/x.txt")])) == ["a/x.txt", "b/x.txt"]
    assert list(named([Path("words.txt")])) == ["words.txt"]
