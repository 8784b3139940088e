from __future__ import annotations

import json
from typing import Any

import pytest
import tensorflow as tf

from kpt.serving.json_values import decoded, is_bytes, json_value, parsed, shown, type_name
from kpt.serving.status import ServingError


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "JSON Parse error: The document is empty"),
        (b"{", "JSON Parse error: Expecting property name enclosed in double quotes at offset: 1"),
        (b'{"a": "\xff"}', "JSON Parse error: Invalid encoding in string. at offset: 7"),
        (rb'{"\ud800": 1}', "JSON Parse error: The surrogate pair in string is invalid."),
        (rb'{"a": ["\udc00"]}', "JSON Parse error: The surrogate pair in string is invalid."),
        (b'{"a": "\xed\xa0\x80"}', "JSON Parse error: Invalid encoding in string. at offset: 7"),
        (b"[1]", r"JSON Value: \[1\] Is not object"),
        (b'{"signature_name": 3}', "'signature_name' key must be a string value"),
        (b'{"a": ' + b"[" * 200_000, "JSON Parse error: "),
        (b'{"a": ' + b"1" * 5_000 + b"}", "JSON Parse error: "),
    ],
)
def test_a_body_that_is_no_object_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(ServingError, match=message):
        parsed(body)


def test_a_body() -> None:
    assert parsed('{"signature_name": "é", "inputs": [NaN]}'.encode())["signature_name"] == "é"
    assert parsed(rb'{"inputs": "\ud83d\ude00"}')["inputs"] == "😀"


@pytest.mark.parametrize(
    ("value", "dtype", "converted"),
    [
        ("é", tf.string, "é".encode()),
        ("\ud800", tf.string, b"\xed\xa0\x80"),
        ({"b64": "/w=="}, tf.string, b"\xff"),
        (True, tf.bool, True),
        (1, tf.float32, 1.0),
        (16777215, tf.float32, 16777215.0),
        (float("inf"), tf.float32, float("inf")),
        (1e300, tf.float64, 1e300),
        (-(2**31), tf.int32, -(2**31)),
        (2**63 - 1, tf.int64, 2**63 - 1),
        (2**64 - 1, tf.uint64, 2**64 - 1),
    ],
)
def test_values(value: Any, dtype: tf.DType, converted: Any) -> None:
    assert json_value(value, dtype) == converted


@pytest.mark.parametrize(
    ("value", "dtype", "message"),
    [
        (3, tf.string, "JSON Value: 3 Type: Number is not of expected type: string"),
        (None, tf.string, "JSON Value: null Type: Null is not of expected type: string"),
        ("3", tf.float32, 'JSON Value: "3" Type: String is not of expected type: float'),
        (True, tf.float32, "JSON Value: true Type: True is not of expected type: float"),
        (1, tf.bool, "JSON Value: 1 Type: Number is not of expected type: bool"),
        (2**31, tf.int32, "JSON Value: 2147483648 Type: Number is not of expected type: int32"),
        (1.5, tf.int32, "JSON Value: 1.5 Type: Number is not of expected type: int32"),
        (-1, tf.uint64, "JSON Value: -1 Type: Number is not of expected type: uint64"),
        (16777216, tf.float32, "Cannot convert JSON value: 16777216 to float without loss of precision."),
        (1e39, tf.float32, "Cannot convert JSON value: 1e[+]39 to float without loss of precision."),
        (10**400, tf.float64, "to double without loss of precision."),
        ({"b64": "!"}, tf.string, "Unable to base64 decode"),
        ({"b64": "YQ==", "x": 1}, tf.string, "not formatted correctly for base64 data"),
        ([1], tf.complex64, r"Conversion of JSON Value: \[1\] to type: complex64"),
    ],
)
def test_values_of_another_type_are_refused(value: Any, dtype: tf.DType, message: str) -> None:
    with pytest.raises(ServingError, match=message):
        json_value(value, dtype)


def test_how_errors_show_values() -> None:
    assert shown({"a": [1, "é"]}) == json.dumps({"a": [1, "é"]})
    assert shown("x" * 1000) == '"' + "x" * 199 + " ..."
    assert [type_name(each) for each in ({}, [], "", 1, 1.5, True, None)] == [
        *("Object", "Array", "String", "Number", "Number", "True", "Null"),
    ]


def test_bytes() -> None:
    assert [is_bytes(each) for each in ({"b64": ""}, {"b64": 1}, {"b64": "", "a": 1}, "b64")] == [True, *[False] * 3]
    assert decoded({"b64": "AAH/"}) == b"\x00\x01\xff"
