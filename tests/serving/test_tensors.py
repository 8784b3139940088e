from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from kpt.serving.status import ServingError
from kpt.serving.tensors import array_from, tensor_proto, type_string, value_field


@pytest.mark.parametrize(
    ("dtype", "field", "values"),
    [
        (tf.float32, "float_val", [0.5, -1.5]),
        (tf.float64, "double_val", [0.1, 1e300]),
        (tf.int32, "int_val", [-1, 2]),
        (tf.uint8, "int_val", [0, 255]),
        (tf.int64, "int64_val", [-(2**40), 2**40]),
        (tf.uint64, "uint64_val", [0, 2**63]),
        (tf.bool, "bool_val", [True, False]),
        (tf.string, "string_val", [b"a\x00", "é".encode()]),
    ],
)
def test_values_are_in_the_field_of_their_type_and_come_back(dtype: tf.DType, field: str, values: list[object]) -> None:
    array = np.array(values, object if dtype == tf.string else dtype.as_numpy_dtype).reshape(2, 1)
    proto = tensor_proto(array, dtype)
    assert value_field(dtype) == field
    assert list(getattr(proto, field)) == values
    assert not proto.tensor_content
    np.testing.assert_array_equal(tf.make_ndarray(proto), array)
    np.testing.assert_array_equal(array_from(proto, "x"), array)


def test_types_without_a_field_are_packed() -> None:
    proto = tensor_proto(np.array([0.5, 2.0], np.float16), tf.float16)
    assert value_field(tf.float16) is None
    assert tf.make_ndarray(proto).tolist() == [0.5, 2.0]


def test_scalars_and_empty_tensors() -> None:
    assert array_from(tensor_proto(np.array(3, np.int32), tf.int32), "x").tolist() == 3
    assert array_from(tensor_proto(np.zeros([0, 2], np.float32), tf.float32), "x").shape == (0, 2)


def test_damaged_messages_are_refused() -> None:
    unknown = tensor_proto(np.zeros(2, np.float32), tf.float32)
    unknown.tensor_shape.unknown_rank = True
    negative = tensor_proto(np.zeros(2, np.float32), tf.float32)
    negative.tensor_shape.dim[0].size = -1
    short = tf.make_tensor_proto(np.zeros(3, np.float32))
    short.tensor_shape.dim[0].size = 5
    for proto in (unknown, negative, short):
        with pytest.raises(ServingError, match="tensor parsing error: texts") as raised:
            array_from(proto, "texts")
        assert raised.value.code == tf.errors.INVALID_ARGUMENT


def test_a_shape_beyond_memory_is_refused() -> None:
    proto = tensor_proto(np.zeros(1, np.float32), tf.float32)
    proto.tensor_shape.dim[0].size = 1 << 40
    with pytest.raises(ServingError, match="has over 67108864 values") as raised:
        array_from(proto, "x")
    assert raised.value.code == tf.errors.RESOURCE_EXHAUSTED


def test_the_names_of_types_in_errors() -> None:
    assert [type_string(dtype) for dtype in (tf.float32, tf.float64, tf.int64, tf.string)] == [
        "float",
        "double",
        "int64",
        "string",
    ]
    assert type_string(9999) == "INVALID"
