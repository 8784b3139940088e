from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf
from tensorflow_serving.apis.input_pb2 import Input

from kpt.serving.json_examples import fill_examples
from kpt.serving.status import ServingError


def test_examples() -> None:
    listed = Input()
    fill_examples({"examples": [{"text": "é", "n": [1, True], "x": 0.5, "raw": {"b64": "/w=="}}, {}]}, listed)
    first, second = listed.example_list.examples
    assert {name: each.WhichOneof("kind") for name, each in first.features.feature.items()} == {
        "text": "bytes_list",
        "n": "int64_list",
        "x": "float_list",
        "raw": "bytes_list",
    }
    assert list(first.features.feature["text"].bytes_list.value) == ["é".encode()]
    assert list(first.features.feature["n"].int64_list.value) == [1, 1]
    assert list(first.features.feature["raw"].bytes_list.value) == [b"\xff"]
    assert second == tf.train.Example()


def test_a_context_is_shared() -> None:
    listed = Input()
    fill_examples({"context": {"text": "a"}, "examples": [{"n": 1}]}, listed)
    shared = listed.example_list_with_context
    assert list(shared.context.features.feature["text"].bytes_list.value) == [b"a"]
    assert list(shared.examples[0].features.feature["n"].int64_list.value) == [1]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "key 'examples' is expected and was not found"),
        ({"examples": {}}, "Expecting 'examples' value to be an list/array"),
        ({"examples": []}, "'examples' value is an empty array"),
        ({"examples": ["a"]}, "Example must be JSON object but got JSON String"),
        ({"examples": [{"a": None}]}, "Feature: a has element with unexpected JSON type: Null"),
        ({"examples": [{"a": [[1]]}]}, "Feature: a has element with unexpected JSON type: Array"),
        ({"examples": [{"a": {"c": 1}}]}, "Feature: a has element with unexpected JSON type: Object"),
        ({"examples": [{"a": [1, "b"]}]}, "Unexpected element type in feature: a expecting type: bytes"),
        ({"examples": [{"a": 2**64 - 1}]}, "Feature: a has uint64 element. Only int64 is supported."),
        ({"examples": [{"a": 1e39}]}, "to float without loss of precision"),
    ],
)
def test_what_is_refused(document: dict[str, Any], message: str) -> None:
    with pytest.raises(ServingError, match=message):
        fill_examples(document, Input())
