from __future__ import annotations

from pathlib import Path

import pytest

from kpt import InputError
from kpt.data.conll import bio_tag_names, read_conll, valid_bio


def test_sentences_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "a.conll"
    file.write_bytes(
        b"\xef\xbb\xbf-DOCSTART- -X- O O\n\nAnna\tB-person\r\nBell\tI-person\n\t\nsings\tO\n"
        b"\xef\xbb\xbf\n\n@paul\tB-person"
    )
    data = read_conll(file)
    assert data.texts == [["Anna", "Bell"], ["sings"], ["@paul"]]
    assert data.labels == [["B-person", "I-person"], ["O"], ["B-person"]]
    assert data.places == [f"{file}, line {line}" for line in (3, 6, 9)] and len(data) == 3
    assert data.place(0, 1) == f"{file}, line 4"


def test_columns_by_white_space(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("EU NNP B-NP B-ORG\nrejects VBZ B-VP O\n")
    assert read_conll(tmp_path / "a.conll").labels == [["B-ORG", "O"]]
    assert read_conll(tmp_path / "a.conll", column=2).labels == [["B-NP", "B-VP"]]


def test_valid_tags() -> None:
    assert valid_bio("O") and valid_bio("B-x", "I-y") and valid_bio("I-x", "B-x") and valid_bio("I-x", "I-x")
    assert not any((valid_bio("I-x"), valid_bio("I-x", "B-y"), valid_bio("x"), valid_bio("B-"), valid_bio("")))


def test_tags_that_are_not_valid(tmp_path: Path) -> None:
    file = tmp_path / "a.conll"
    file.write_text("a\tO\nb\tI-x\nc\tI-x\nd\tI-y\n")
    with pytest.raises(InputError, match=r"a\.conll, line 2: the tag 'I-x' after 'O' continues no entity"):
        read_conll(file)
    data = read_conll(file, repair=True)
    assert data.labels == [["O", "B-x", "I-x", "B-y"]] and data.problems["repaired"] == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a\tO\nb\n", "line 2: 1 columns; give a word and a tag"),
        ("a\tperson\n", "line 1: the tag 'person' is not O, B-TYPE or I-TYPE"),
        ("a\tO\n \tO\n", "line 2: there is no word before the tag 'O'"),
        ("\n\n", "has no word"),
    ],
)
def test_refusals(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text(content)
    with pytest.raises(InputError, match=message):
        read_conll(tmp_path / "a.conll")


def test_names_of_tags() -> None:
    assert bio_tag_names([["O", "B-b"], ["B-a", "I-a"]]) == ("O", "B-a", "I-a", "B-b", "I-b")
    with pytest.raises(InputError, match="no entity in 1 sentences"):
        bio_tag_names([["O"]])
