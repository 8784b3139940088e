"""TensorFlow Serving's JSON of Classify and Regress: `{"examples": [...]}`, each an object of features.

Source: tensorflow/serving, `util/json_tensor.cc`; its "RESTful API" page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from kpt.serving.json_values import decoded, is_bytes, json_value, shown, type_name
from kpt.serving.status import invalid_argument

__all__ = ["fill_examples"]

_KINDS = {"bytes": "bytes_list", "float": "float_list", "int64": "int64_list"}


def fill_examples(document: Mapping[str, Any], listed: Any) -> None:
    """Fill the input of a `ClassificationRequest` or a `RegressionRequest`.

    Args:
        document: the JSON object.
        listed: the message's `input`.

    Raises:
        ServingError: there are no examples, or one has a value that no feature can have.
    """
    examples = document.get("examples")
    if "examples" not in document:
        raise invalid_argument(
            f"JSON Value: {shown(document)} When method is classify, key 'examples' is expected and was not found"
        )
    if not isinstance(examples, list):
        raise invalid_argument(f"JSON Value: {shown(document)} Expecting 'examples' value to be an list/array")
    if not examples:
        raise invalid_argument(f"JSON Value: {shown(document)} 'examples' value is an empty array")
    target = listed.example_list
    if "context" in document:
        target = listed.example_list_with_context
        _fill_example(document["context"], target.context)
    for example in examples:
        _fill_example(example, target.examples.add())


def _fill_example(value: Any, example: Any) -> None:
    if not isinstance(value, dict):
        raise invalid_argument(f"Example must be JSON object but got JSON {type_name(value)}")
    for name, content in value.items():
        feature = example.features.feature[name]
        for item in content if isinstance(content, list) else [content]:
            kind, converted = _feature_value(name, item)
            if feature.WhichOneof("kind") not in (None, _KINDS[kind]):
                raise invalid_argument(f"Unexpected element type in feature: {name} expecting type: {kind}")
            getattr(feature, _KINDS[kind]).value.append(converted)


def _feature_value(name: str, item: Any) -> tuple[str, Any]:
    if is_bytes(item):
        return "bytes", decoded(item)
    if isinstance(item, str):
        return "bytes", item.encode("utf-8", "surrogatepass")
    if isinstance(item, float):
        return "float", json_value(item, tf.float32)
    if isinstance(item, int):
        if not -(2**63) <= item < 2**63:
            raise invalid_argument(f"Feature: {name} has uint64 element. Only int64 is supported.")
        return "int64", int(item)
    raise invalid_argument(f"Feature: {name} has element with unexpected JSON type: {type_name(item)}")
