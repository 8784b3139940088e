from __future__ import annotations

import dataclasses
import pickle

import pytest

from kpt.text import Document


def test_a_document_is_a_value() -> None:
    document = Document("It rained.", label="weather", id="a1", source="a.jsonl", position=3)
    assert pickle.loads(pickle.dumps(document)) == document
    assert dataclasses.replace(document, text="It snowed.").label == "weather"
    with pytest.raises(dataclasses.FrozenInstanceError):
        document.text = "It snowed."  # type: ignore[misc]


def test_all_but_the_text_is_optional() -> None:
    assert Document("a") == Document("a", None, None, None, None)
