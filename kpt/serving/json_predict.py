"""TensorFlow Serving's JSON of Predict: rows, `{"instances": [...]}`, or columns, `{"inputs": ...}`, and the answers.

Bytes are `{"b64": "..."}`; in answers they are so where the output's name ends in `_bytes`.

Source: tensorflow/serving, `util/json_tensor.cc`; its "RESTful API" page.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from kpt.serving.json_values import is_bytes, json_value, shown
from kpt.serving.status import ServingError, invalid_argument
from kpt.serving.tensors import tensor_proto, type_string, value_field

__all__ = ["fill_predict", "predictions_json"]

#: Of a row; NumPy has no arrays of many more.
MOST_DIMENSIONS = 30


def fill_predict(document: Mapping[str, Any], infos: Mapping[str, Any], request: Any) -> bool:
    """Fill the inputs of a `PredictRequest`.

    Args:
        document: the JSON object.
        infos: the `TensorInfo` of each input of the signature.
        request: the message.

    Returns:
        Whether the inputs came as rows.

    Raises:
        ServingError: they are not what the signature takes.
    """
    types = {name: tf.dtypes.as_dtype(info.dtype) for name, info in infos.items()}
    rows, columns = "instances" in document, "inputs" in document
    if rows and columns:
        raise invalid_argument(
            f"JSON Value: {shown(document)} Not formatted correctly expecting only one of 'inputs' or 'instances' "
            "keys to exist "
        )
    if not rows and not columns:
        raise invalid_argument("Missing 'inputs' or 'instances' key")
    tensors = _of_rows(document, types) if rows else _of_columns(document["inputs"], types)
    for name, (values, shape) in tensors.items():
        request.inputs[name].CopyFrom(_proto(values, shape, types[name]))
    return rows


def _of_rows(document: Mapping[str, Any], types: Mapping[str, Any]) -> dict[str, tuple[list[Any], list[int]]]:
    instances = document["instances"]
    if not isinstance(instances, list):
        raise invalid_argument(f"JSON Value: {shown(document)} Excepting 'instances' to be an list/array")
    if not instances:
        raise invalid_argument(f"JSON Value: {shown(document)} No values in 'instances' array")
    if not isinstance(instances[0], dict) and len(types) > 1:
        raise invalid_argument(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    objects = _is_object(instances[0])
    found: dict[str, tuple[list[Any], list[int]]] = {}
    for number, element in enumerate(instances):
        if _is_object(element) != objects:
            expected = "object but got list" if objects else "value/list but got object"
            raise invalid_argument(f"Expecting {expected} at item {number} of input list")
        items = element if objects else {next(iter(types)): element}
        for name, item in items.items():
            key = f" key: {name}" if objects else ""
            try:
                if name not in types:
                    raise invalid_argument(f"JSON object: does not have named input: {name}")
                values, shape = _tensor(item, types[name])
                if name in found and shape != found[name][1]:
                    raise invalid_argument(f"Expecting shape {found[name][1]} but got: {shape}")
            except ServingError as error:
                raise invalid_argument(
                    f"Failed to process element: {number}{key} of 'instances' list. Error: INVALID_ARGUMENT: "
                    f"{error.message}"
                ) from error
            found.setdefault(name, ([], shape))[0].extend(values)
        if set(items) != set(types):
            raise invalid_argument(
                f"Failed to process element: {number} of 'instances' list. JSON object: {shown(element)} keys must be "
                f"equal to: {','.join(sorted(types))}"
            )
    return {name: (values, [len(instances), *shape]) for name, (values, shape) in found.items()}


def _of_columns(inputs: Any, types: Mapping[str, Any]) -> dict[str, tuple[list[Any], list[int]]]:
    if not _is_object(inputs):
        if len(types) > 1:
            raise invalid_argument(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                "tensorinfo_map"
            )
        name = next(iter(types))
        return {name: _tensor(inputs, types[name])}
    for name in types:
        if name not in inputs:
            raise invalid_argument(f"Missing named input: {name} in 'inputs' object.")
    return {name: _tensor(inputs[name], types[name]) for name in types}


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and not is_bytes(value)


def _tensor(value: Any, dtype: Any) -> tuple[list[Any], list[int]]:
    """The values of nested lists, and their shape, which the first of each level tell."""
    shape: list[int] = []
    first = value
    while isinstance(first, list):
        if len(shape) == MOST_DIMENSIONS:
            raise invalid_argument(f"JSON Value: lists are nested {MOST_DIMENSIONS} times, deeper than any tensor")
        shape.append(len(first))
        first = first[0] if first else None
    values: list[Any] = []
    _fill(value, 0, shape, dtype, values)
    return values, shape


def _fill(value: Any, level: int, shape: list[int], dtype: Any, values: list[Any]) -> None:
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid_argument(
                f"JSON Value: {shown(value)} found at incorrect level: {level + 1} in the JSON DOM. Expected at level: "
                f"{len(shape)}"
            )
        values.append(json_value(value, dtype))
        return
    if level >= len(shape):
        raise invalid_argument(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid_argument(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    for each in value:
        _fill(each, level + 1, shape, dtype, values)


def _proto(values: list[Any], shape: list[int], dtype: Any) -> Any:
    kind = object if dtype == tf.string else dtype.as_numpy_dtype
    try:
        array = np.empty(len(values), kind)
        array[:] = values
    except OverflowError as error:
        raise invalid_argument(f"JSON Value: {shown(values)} is not of expected type: {type_string(dtype)}") from error
    return tensor_proto(array.reshape(shape), dtype)


def predictions_json(outputs: Mapping[str, Any], rows: bool) -> dict[str, Any]:
    """Return the answer of Predict: `{"predictions": [...]}` of rows, `{"outputs": ...}` of columns.

    Where there is one output alone it stands without its name.

    Args:
        outputs: a `TensorProto` each, their values in the field of their type.
        rows: whether the inputs came as rows.

    Raises:
        ServingError: an output has no row for each input.
    """
    columns = {name: _plain(outputs[name], name) for name in sorted(outputs)}
    if not rows:
        return {"outputs": columns if len(columns) > 1 else next(iter(columns.values()))}
    size = None
    for name in columns:
        dimensions = outputs[name].tensor_shape.dim
        if not dimensions:
            raise invalid_argument(f"Tensor name: {name} has no shape information ")
        if size is not None and dimensions[0].size != size:
            raise invalid_argument(
                f"Tensor name: {name} has inconsistent batch size: {dimensions[0].size} expecting: {size}"
            )
        size = dimensions[0].size
    if len(columns) == 1:
        return {"predictions": next(iter(columns.values()))}
    return {"predictions": [{name: values[row] for name, values in columns.items()} for row in range(size or 0)]}


def _plain(proto: Any, name: str) -> Any:
    dtype = tf.dtypes.as_dtype(proto.dtype)
    field = value_field(dtype)
    if field is None:
        raise invalid_argument(f"Failed to write JSON value for tensor type: {type_string(dtype)}")
    values: Any = getattr(proto, field)
    if dtype == tf.string:
        array = np.empty(len(values), object)
        if name.endswith("_bytes"):
            array[:] = [{"b64": base64.b64encode(value).decode()} for value in values]
        else:
            array[:] = [value.decode("utf-8", "surrogateescape") for value in values]
    elif dtype == tf.float32:  # the fewest digits that tell the number apart from its neighbours
        array = np.array(np.array(values, np.float32).astype("U32"), np.float64)
    else:
        array = np.array(values, dtype.as_numpy_dtype)
    return array.reshape([dimension.size for dimension in proto.tensor_shape.dim]).tolist()
