"""Arrays as TensorFlow Serving answers them: a `TensorProto` whose values are in the field of their type.

`tf.make_tensor_proto` packs them into `tensor_content`, which a client that reads `float_val` does not see.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf

from kpt.serving.status import ServingError, invalid_argument

__all__ = ["array_from", "tensor_proto", "type_string", "value_field"]

_FIELDS = {
    tf.float32: "float_val",
    tf.float64: "double_val",
    tf.int32: "int_val",
    tf.int16: "int_val",
    tf.int8: "int_val",
    tf.uint8: "int_val",
    tf.int64: "int64_val",
    tf.bool: "bool_val",
    tf.string: "string_val",
    tf.uint32: "uint32_val",
    tf.uint64: "uint64_val",
}
#: A shape costs a few bytes whatever its size.
MOST_VALUES = 1 << 26


def value_field(dtype: Any) -> str | None:
    """Return the field of `TensorProto` that has values of a type; None for types that only `tensor_content` has."""
    return _FIELDS.get(dtype)


def type_string(dtype: Any) -> str:
    """Return what TensorFlow's errors call a type.

    Args:
        dtype: the type, or its number in `DataType`.

    Example:
        >>> type_string(tf.float32), type_string(7)
        ('float', 'string')
    """
    try:
        name = str(tf.dtypes.as_dtype(dtype).name)
    except TypeError:
        return "INVALID"
    return {"float32": "float", "float64": "double"}.get(name, name)


def tensor_proto(array: np.ndarray, dtype: Any) -> Any:
    """Return an array as a message.

    Args:
        array: any shape; strings are objects, bytes each.
        dtype: its type, such as `tf.string`.

    Example:
        >>> list(tensor_proto(np.array([0.5, 1], np.float32), tf.float32).float_val)
        [0.5, 1.0]
    """
    field = value_field(dtype)
    if field is None:
        return tf.make_tensor_proto(array, dtype)
    proto = tf.make_tensor_proto(np.zeros([0]), tf.float32)
    proto.Clear()
    proto.dtype = dtype.as_datatype_enum
    proto.tensor_shape.CopyFrom(tf.TensorShape(array.shape).as_proto())
    getattr(proto, field).extend(array.ravel().tolist())
    return proto


def array_from(proto: Any, name: str) -> np.ndarray:
    """Return a message as an array.

    Args:
        proto: a `TensorProto`.
        name: what an error calls it.

    Raises:
        ServingError: it has no shape, or values that do not fit to it.
    """
    sizes = [dimension.size for dimension in proto.tensor_shape.dim]
    if math.prod(max(size, 0) for size in sizes) > MOST_VALUES:
        raise ServingError(tf.errors.RESOURCE_EXHAUSTED, f"tensor {name} has over {MOST_VALUES} values: {sizes}")
    try:
        if proto.tensor_shape.unknown_rank or any(size < 0 for size in sizes):
            raise ValueError("its shape is not known")
        array = np.asarray(tf.make_ndarray(proto))
    except (TypeError, ValueError, KeyError) as error:
        raise invalid_argument(f"tensor parsing error: {name}") from error
    return array.reshape(sizes)
