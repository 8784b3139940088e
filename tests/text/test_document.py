from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path

import pytest

from kpt.errors import InputError
from kpt.text import Document
from kpt.text.document import refuse_one_string


def test_a_document_is_a_value() -> None:
    document = Document("It rained.", label="weather", id="a1", source="a.jsonl", position=3)
    assert pickle.loads(pickle.dumps(document)) == document
    assert dataclasses.replace(document, text="It snowed.").label == "weather"
    with pytest.raises(dataclasses.FrozenInstanceError):
        document.text = "It snowed."  # type: ignore[misc]


def test_all_but_the_text_is_optional() -> None:
    assert Document("a") == Document("a", None, None, None, None)


@pytest.mark.parametrize("one", ["a" * 1000, b"text", Path("a.txt")])
def test_one_string_or_path_is_no_corpus(one: object) -> None:
    with pytest.raises(InputError, match=r"one string or path, .{1,45}; wrap files in kpt\.Corpus\(\.\.\.\), or pass"):
        refuse_one_string(one)
    refuse_one_string(["a"])
