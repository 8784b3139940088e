from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import TensorInfo
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from kpt.serving.json_predict import fill_predict, predictions_json
from kpt.serving.status import ServingError
from kpt.serving.tensors import tensor_proto

ONE = {"texts": TensorInfo(dtype=tf.string.as_datatype_enum)}
TWO = {"a": TensorInfo(dtype=tf.float32.as_datatype_enum), "b": TensorInfo(dtype=tf.int64.as_datatype_enum)}


def filled(document: dict[str, Any], infos: dict[str, Any]) -> tuple[bool, dict[str, Any]]:
    request = PredictRequest()
    rows = fill_predict(document, infos, request)
    return rows, {name: tf.make_ndarray(tensor).tolist() for name, tensor in request.inputs.items()}


def test_rows() -> None:
    assert filled({"instances": ["a", {"b64": "/w=="}]}, ONE) == (True, {"texts": [b"a", b"\xff"]})
    assert filled({"instances": [{"texts": "a"}]}, ONE) == (True, {"texts": [b"a"]})
    assert filled({"instances": [{"a": [1, 2], "b": 3}, {"b": 5, "a": [3, 4.5]}]}, TWO) == (
        True,
        {"a": [[1.0, 2.0], [3.0, 4.5]], "b": [3, 5]},
    )


def test_columns() -> None:
    assert filled({"inputs": ["a", "b"]}, ONE) == (False, {"texts": [b"a", b"b"]})
    assert filled({"inputs": {"texts": ["a"]}}, ONE) == (False, {"texts": [b"a"]})
    assert filled({"inputs": {"b64": "YQ=="}}, ONE) == (False, {"texts": b"a"})
    assert filled({"inputs": {"a": [[1], [2]], "b": 7, "ignored": 1}}, TWO) == (False, {"a": [[1.0], [2.0]], "b": 7})
    assert filled({"inputs": []}, ONE) == (False, {"texts": []})


@pytest.mark.parametrize(
    ("document", "infos", "message"),
    [
        ({}, ONE, "Missing 'inputs' or 'instances' key"),
        ({"inputs": [], "instances": []}, ONE, "expecting only one of 'inputs' or 'instances' keys"),
        ({"instances": "a"}, ONE, "Excepting 'instances' to be an list/array"),
        ({"instances": []}, ONE, "No values in 'instances' array"),
        ({"instances": [1]}, TWO, "instances is a plain list, but expecting list of objects"),
        ({"instances": [{"a": 1, "b": 1}, 1]}, TWO, "Expecting object but got list at item 1 of input list"),
        ({"instances": ["a", {"texts": "a"}]}, ONE, "Expecting value/list but got object at item 1 of input list"),
        (
            {"instances": [{"a": 1, "c": 1}]},
            TWO,
            "Failed to process element: 0 key: c of 'instances' list. Error: INVALID_ARGUMENT: JSON object: does not "
            "have named input: c",
        ),
        ({"instances": [{"a": 1}]}, TWO, "keys must be equal to: a,b"),
        ({"instances": [["a"], ["a", "b"]]}, ONE, r"Expecting shape \[1\] but got: \[2\]"),
        ({"instances": [["a", ["b"]]]}, ONE, "Encountered list at unexpected level: 1 expected < 1"),
        ({"inputs": [["a"], "b"]}, ONE, 'JSON Value: "b" found at incorrect level: 2 in the JSON DOM'),
        ({"inputs": [["a"], ["b", "c"]]}, ONE, "Encountered list at unexpected size: 2 at level: 1 expected size: 1"),
        ({"inputs": [1]}, TWO, "inputs is a plain value/list, but expecting an object"),
        ({"inputs": {"a": 1}}, TWO, "Missing named input: b in 'inputs' object."),
    ],
)
def test_what_is_refused(document: dict[str, Any], infos: dict[str, Any], message: str) -> None:
    with pytest.raises(ServingError, match=message):
        filled(document, infos)


def outputs(**arrays: tuple[Any, tf.DType]) -> dict[str, Any]:
    return {name: tensor_proto(np.array(value, dtype.as_numpy_dtype), dtype) for name, (value, dtype) in arrays.items()}


def test_answers_in_rows_and_columns() -> None:
    two = outputs(x=([0.1, 2.0], tf.float32), y=([[1], [2]], tf.int32))
    assert predictions_json(two, rows=True) == {"predictions": [{"x": 0.1, "y": [1]}, {"x": 2.0, "y": [2]}]}
    assert predictions_json(two, rows=False) == {"outputs": {"x": [0.1, 2.0], "y": [[1], [2]]}}
    one = outputs(x=([True, False], tf.bool))
    assert predictions_json(one, rows=True) == {"predictions": [True, False]}
    assert predictions_json(one, rows=False) == {"outputs": [True, False]}


def test_numbers_are_told_in_the_fewest_digits_and_are_the_same_float32() -> None:
    values = np.array([0.1, 1 / 3, 1e-30, 123456.79, np.nan, np.inf], np.float32)
    (told,) = predictions_json(outputs(x=(values, tf.float32)), rows=False).values()
    assert json.dumps(told) == "[0.1, 0.33333334, 1e-30, 123456.79, NaN, Infinity]"
    np.testing.assert_array_equal(np.array(told, np.float32), values)


def test_strings_and_bytes() -> None:
    raw = outputs(plain=([b"\xff", b"a"], tf.string), same_bytes=([b"\xff", b"a"], tf.string))
    assert predictions_json(raw, rows=False)["outputs"] == {
        "plain": ["\udcff", "a"],
        "same_bytes": [{"b64": "/w=="}, {"b64": "YQ=="}],
    }


def test_outputs_without_a_row_for_each_input() -> None:
    with pytest.raises(ServingError, match="Tensor name: x has no shape information"):
        predictions_json(outputs(x=(3, tf.int32)), rows=True)
    with pytest.raises(ServingError, match="Tensor name: y has inconsistent batch size: 1 expecting: 2"):
        predictions_json(outputs(x=([1, 2], tf.int32), y=([1], tf.int32)), rows=True)
    assert predictions_json(outputs(x=(3, tf.int32)), rows=False) == {"outputs": 3}
    with pytest.raises(ServingError, match="Failed to write JSON value for tensor type: float16"):
        predictions_json({"x": tensor_proto(np.zeros(1, np.float16), tf.float16)}, rows=True)
