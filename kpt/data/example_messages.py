"""`tf.train.Example`, read and written without TensorFlow: the values of a record by their names.

The message is described here in a pool of its own, so that it does not meet TensorFlow's where that is loaded too.

Source: TensorFlow, `tensorflow/core/example/example.proto` and `feature.proto`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

__all__ = ["parse_example", "serialise_example"]

_PACKAGE = "tensorflow"
#: The lists of values: name in a feature, type of the message, type of a value, how numpy has it.
_LISTS = (
    ("bytes_list", "BytesList", "TYPE_BYTES", None),
    ("float_list", "FloatList", "TYPE_FLOAT", np.float32),
    ("int64_list", "Int64List", "TYPE_INT64", np.int64),
)
_DTYPES = {name: dtype for name, _, _, dtype in _LISTS}


def parse_example(data: bytes) -> dict[str, Any]:
    """Return the features of a serialised example by name.

    Args:
        data: the bytes of a `tf.train.Example`.

    Returns:
        int64 [n], float32 [n] or a list of bytes; features without a value are left out.

    Raises:
        ValueError: the bytes are no such message.

    Example:
        >>> parse_example(serialise_example({"ids": np.array([5, 6])}))
        {'ids': array([5, 6])}
    """
    from google.protobuf.message import DecodeError

    example = _example_class()()
    try:
        example.ParseFromString(data)
    except DecodeError as error:
        raise ValueError("no tf.train.Example") from error
    features = {}
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        if kind is not None:
            values, dtype = getattr(feature, kind).value, _DTYPES[kind]
            features[name] = list(values) if dtype is None else np.array(values, dtype)
    return features


def serialise_example(features: Mapping[str, np.ndarray]) -> bytes:
    """Return a serialised `tf.train.Example`, the same bytes for the same features.

    Args:
        features: vectors by name; integers and truth values become an int64 list, other numbers a float list.

    Example:
        >>> serialise_example({"ids": np.array([5, 6])}).hex()
        '0a0f0a0d0a0369647312061a040a020506'
    """
    example = _example_class()()
    for name, values in features.items():
        feature = example.features.feature[name]
        values = np.asarray(values)
        if values.dtype.kind == "f":
            feature.float_list.value.extend(values.tolist())
        else:
            feature.int64_list.value.extend(values.astype(np.int64).tolist())
    serialised: bytes = example.SerializeToString(deterministic=True)
    return serialised


@cache
def _example_class() -> Any:
    """The class of the message, made from its description."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    types = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="kpt/example.proto", package=_PACKAGE, syntax="proto3")

    def message(parent: Any, name: str) -> Any:
        return parent.add(name=name)

    def field(owner: Any, name: str, number: int, kind: str, of: str = "", repeated: bool = False, **more: Any) -> None:
        label = types.LABEL_REPEATED if repeated else types.LABEL_OPTIONAL
        type_name = {"type_name": f".{_PACKAGE}.{of}"} if of else {}
        owner.field.add(name=name, number=number, type=getattr(types, kind), label=label, **type_name, **more)

    feature = message(file.message_type, "Feature")
    feature.oneof_decl.add(name="kind")
    for number, (name, kind, value, _) in enumerate(_LISTS, 1):
        field(message(file.message_type, kind), "value", 1, value, repeated=True)
        field(feature, name, number, "TYPE_MESSAGE", kind, oneof_index=0)
    features = message(file.message_type, "Features")
    entry = message(features.nested_type, "FeatureEntry")  # how a map stands in a message
    entry.options.map_entry = True
    field(entry, "key", 1, "TYPE_STRING")
    field(entry, "value", 2, "TYPE_MESSAGE", "Feature")
    field(features, "feature", 1, "TYPE_MESSAGE", "Features.FeatureEntry", repeated=True)
    field(message(file.message_type, "Example"), "features", 1, "TYPE_MESSAGE", "Features")

    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Example"))
