"""The values of TensorFlow Serving's JSON: what a request's body is, and what becomes of a number, a string or bytes.

Source: tensorflow/serving, `util/json_tensor.cc`.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from kpt.serving.status import ServingError, invalid_argument
from kpt.serving.tensors import type_string

__all__ = ["decoded", "is_bytes", "json_value", "parsed", "shown", "type_name"]

#: How a surrogate is written in JSON; a pair of them is a character, and one alone is nothing.
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_RANGES = {
    tf.int32: (-(2**31), 2**31 - 1),
    tf.int16: (-(2**31), 2**31 - 1),
    tf.int8: (-(2**31), 2**31 - 1),
    tf.uint8: (-(2**31), 2**31 - 1),
    tf.int64: (-(2**63), 2**63 - 1),
    tf.uint32: (0, 2**32 - 1),
    tf.uint64: (0, 2**64 - 1),
}


def parsed(body: bytes) -> dict[str, Any]:
    """Return the object that a request's body is.

    Raises:
        ServingError: it is none.
    """
    if not body:
        raise invalid_argument("JSON Parse error: The document is empty")
    try:
        document = json.loads(body.decode("utf-8"))
        if _SURROGATE.search(body):
            json.dumps(document, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise invalid_argument("JSON Parse error: The surrogate pair in string is invalid.") from error
    except json.JSONDecodeError as error:
        raise invalid_argument(f"JSON Parse error: {error.msg} at offset: {error.pos}") from error
    except UnicodeDecodeError as error:
        raise invalid_argument(f"JSON Parse error: Invalid encoding in string. at offset: {error.start}") from error
    except (RecursionError, ValueError) as error:  # nested too deeply, or a number of thousands of digits
        raise invalid_argument(f"JSON Parse error: {error}") from error
    if not isinstance(document, dict):
        raise invalid_argument(f"JSON Value: {shown(document)} Is not object")
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid_argument(
            f"JSON Value: {shown(document)} not formatted correctly. 'signature_name' key must be a string value."
        )
    return document


def shown(value: Any) -> str:
    """Return a value as an error shows it: JSON, shortened."""
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]} ..."


def is_bytes(value: Any) -> bool:
    """Return whether a value is `{"b64": "..."}`."""
    return isinstance(value, dict) and list(value) == ["b64"] and isinstance(value["b64"], str)


def json_value(value: Any, dtype: Any) -> Any:
    r"""Return a JSON value as one of a tensor's.

    Args:
        value: the value.
        dtype: the tensor's type.

    Raises:
        ServingError: it is of another type, or cannot be told in it.

    Example:
        >>> json_value({"b64": "AAE="}, tf.string)
        b'\x00\x01'
    """
    if dtype == tf.string:
        if isinstance(value, dict):
            return decoded(value)
        if isinstance(value, str):
            return value.encode("utf-8", "surrogatepass")
    elif dtype == tf.bool:
        if isinstance(value, bool):
            return value
    elif dtype in (tf.float32, tf.float64):
        if isinstance(value, int | float) and not isinstance(value, bool):
            largest = float(np.finfo(dtype.as_numpy_dtype).max)
            exact = 2 ** (24 if dtype == tf.float32 else 53) - 1
            if (isinstance(value, int) and abs(value) > exact) or (math.isfinite(value) and abs(value) > largest):
                kind = "float" if dtype == tf.float32 else "double"
                raise invalid_argument(f"Cannot convert JSON value: {value} to {kind} without loss of precision.")
            return float(value)
    elif dtype in _RANGES:
        low, high = _RANGES[dtype]
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
    else:
        raise ServingError(
            tf.errors.UNIMPLEMENTED,
            f"Conversion of JSON Value: {shown(value)} to type: {type_string(dtype)}",
        )
    raise invalid_argument(
        f"JSON Value: {shown(value)} Type: {type_name(value)} is not of expected type: {type_string(dtype)}"
    )


def type_name(value: Any) -> str:
    """Return what JSON calls the type of a value."""
    if isinstance(value, bool):
        return str(value)
    kinds = {dict: "Object", list: "Array", str: "String", int: "Number", float: "Number", type(None): "Null"}
    return kinds[type(value)]


def decoded(value: Mapping[str, Any]) -> bytes:
    """Return the bytes of `{"b64": "..."}`."""
    if not is_bytes(value):
        raise invalid_argument(f"JSON Value: {shown(value)} not formatted correctly for base64 data")
    try:
        return base64.b64decode(value["b64"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid_argument("Unable to base64 decode") from error
