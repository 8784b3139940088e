"""What the server answers: Predict, Classify, Regress, the states of versions, and the signatures of a model.

Requests and responses are the messages of `tensorflow-serving-api`, whichever way they came. What is refused, and with
which words, is as in TensorFlow Serving.

Source: tensorflow/serving, `servables/tensorflow/{predict_util,classifier,regressor,get_model_metadata_impl}.cc` and
`model_servers/get_model_status_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
    regression_pb2,
)

from kpt.serving.model_versions import ModelVersions
from kpt.serving.servable import Servable
from kpt.serving.status import ServingError, invalid_argument, not_found
from kpt.serving.tensors import array_from, tensor_proto, type_string

__all__ = ["Answers", "predict"]

DEFAULT = "serving_default"
CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


class Answers:
    """The answers of a server.

    Args:
        models: its models by their names.
    """

    def __init__(self, models: Mapping[str, ModelVersions]) -> None:
        self.models = models

    def predict(self, request: Any) -> Any:
        """Return the `PredictResponse` of a `PredictRequest`."""
        with self.servable(request) as (version, servable):
            response = predict(servable, request)
            response.model_spec.version.value = version
            return response

    def classify(self, request: Any) -> Any:
        """Return the `ClassificationResponse` of a `ClassificationRequest`."""
        with self.servable(request) as (version, servable):
            signature = _signature_of(servable, request, CLASSIFY, "classification")
            names = [name for name in ("classes", "scores") if name in signature.outputs]
            rows = _run_examples(servable, signature, request, names)
            response = classification_pb2.ClassificationResponse()
            _fill_spec(response.model_spec, request, version)
            found = dict(zip(names, rows, strict=True))
            count, width = next(iter(found.values())).shape
            for row in range(count):
                classes = response.result.classifications.add().classes
                for column in range(width):
                    item = classes.add()
                    if "classes" in found:
                        item.label = found["classes"][row, column]
                    if "scores" in found:
                        item.score = found["scores"][row, column]
            return response

    def regress(self, request: Any) -> Any:
        """Return the `RegressionResponse` of a `RegressionRequest`."""
        with self.servable(request) as (version, servable):
            signature = _signature_of(servable, request, REGRESS, "regression")
            (numbers,) = _run_examples(servable, signature, request, ["outputs"])
            response = regression_pb2.RegressionResponse()
            _fill_spec(response.model_spec, request, version)
            for number in numbers.reshape(-1).tolist():
                response.result.regressions.add().value = number
            return response

    def status(self, request: Any) -> Any:
        """Return the `GetModelStatusResponse` of a `GetModelStatusRequest`."""
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        spec = request.model_spec
        model = self.models.get(spec.name)
        states = {} if model is None else model.states()
        if not states:
            raise not_found(f"Could not find any versions of model {spec.name}")
        if spec.HasField("version"):
            version = spec.version.value
            if version not in states:
                raise not_found(f"Could not find version {version} of model {spec.name}")
            states = {version: states[version]}
        response = get_model_status_pb2.GetModelStatusResponse()
        for version, state in states.items():
            item = response.model_version_status.add(version=version)
            item.state = get_model_status_pb2.ModelVersionStatus.State.Value(state.state)
            item.status.error_code, item.status.error_message = state.code, state.message
        return response

    def metadata(self, request: Any) -> Any:
        """Return the `GetModelMetadataResponse` of a `GetModelMetadataRequest`."""
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        if not request.metadata_field:
            raise invalid_argument("GetModelMetadataRequest must specify at least one metadata_field")
        for name in request.metadata_field:
            if name != "signature_def":
                raise invalid_argument(f"Metadata field {name} is not supported")
        with self.servable(request) as (version, servable):
            signatures = get_model_metadata_pb2.SignatureDefMap()
            for name, signature in servable.signatures.items():
                signatures.signature_def[name].CopyFrom(signature)
            response = get_model_metadata_pb2.GetModelMetadataResponse()
            response.model_spec.name = request.model_spec.name
            response.model_spec.version.value = version
            response.metadata["signature_def"].Pack(signatures)
            return response

    @contextmanager
    def servable(self, request: Any) -> Iterator[tuple[int, Servable]]:
        """Hold the version that a request asks for.

        Raises:
            ServingError: there is none.
        """
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        spec = request.model_spec
        number = spec.version.value if spec.HasField("version") else None
        model = self.models.get(spec.name)
        if model is None:
            asked = f"Latest({spec.name})" if number is None else f"Specific({spec.name}, {number})"
            raise not_found(f"Servable not found for request: {asked}")
        version, servable = model.acquire(number, spec.version_label if spec.HasField("version_label") else None)
        try:
            yield version, servable
        finally:
            servable.__exit__()


def predict(servable: Servable, request: Any) -> Any:
    """Return the `PredictResponse` of a version; its `model_spec` has no version yet.

    Raises:
        ServingError: the signature, its inputs or its outputs are not there, or have other types.
        OpError: (TensorFlow's) the graph refuses the values.
    """
    name = request.model_spec.signature_name or DEFAULT
    if name not in servable.signatures:
        raise ServingError(tf.errors.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
    signature = servable.signatures[name]
    feeds = _feeds(signature, request.inputs)
    aliases = list(request.output_filter)
    for place, alias in enumerate(aliases):
        if alias not in signature.outputs:
            known = ",".join(sorted(signature.outputs))
            raise invalid_argument(
                f"output tensor alias not found in signature: {alias} Outputs expected to be in the set {{{known}}}."
            )
        if alias in aliases[:place]:
            raise invalid_argument(f"duplicate output tensor alias: {alias}")
    aliases = aliases or sorted(signature.outputs)
    infos = [signature.outputs[alias] for alias in aliases]
    arrays = servable.run(feeds, [info.name for info in infos])
    response = predict_pb2.PredictResponse()
    response.model_spec.name, response.model_spec.signature_name = request.model_spec.name, name
    for alias, info, array in zip(aliases, infos, arrays, strict=True):
        response.outputs[alias].CopyFrom(tensor_proto(np.asarray(array), tf.dtypes.as_dtype(info.dtype)))
    return response


def _feeds(signature: Any, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
    sent, known = set(inputs), set(signature.inputs)
    if len(sent) != len(known):

        def shown(names: set[str]) -> str:
            return f"{{{','.join(sorted(names))}}}"

        raise invalid_argument(
            f"input size does not match signature: {len(sent)}!={len(known)} len({shown(sent)}) != len({shown(known)})."
            f" Sent extra: {shown(sent - known)}. Missing but required: {shown(known - sent)}."
        )
    feeds = {}
    for place, alias in enumerate(sorted(sent)):
        if alias not in known:
            raise invalid_argument(
                f"input tensor alias not found in signature: {alias}. "
                f"Inputs expected to be in the set {{{','.join(sorted(known))}}}."
            )
        info, proto = signature.inputs[alias], inputs[alias]
        if proto.dtype != info.dtype:
            expected, provided = (type_string(each) for each in (info.dtype, proto.dtype))
            raise invalid_argument(f"Expects arg[{place}] to be {expected} but {provided} is provided")
        feeds[info.name] = array_from(proto, alias)
    return feeds


def _signature_of(servable: Servable, request: Any, method: str, task: str) -> Any:
    """The signature of a Classify or Regress request."""
    name = request.model_spec.signature_name or DEFAULT
    if name not in servable.signatures:
        raise invalid_argument(f"No signature was found with the name: {name}")
    signature = servable.signatures[name]
    if signature.method_name != method:
        raise invalid_argument(f"Expected {task} signature method_name to be {method}. Was: {signature.method_name}")
    return signature


def _run_examples(servable: Servable, signature: Any, request: Any, outputs: list[str]) -> list[np.ndarray]:
    """Feed a signature with the examples of a request, serialised."""
    kind = request.input.WhichOneof("kind")
    listed = getattr(request.input, kind) if kind else None
    if listed is None or not listed.examples:
        raise invalid_argument("Input is empty.")
    context = listed.context.SerializeToString() if kind == "example_list_with_context" else b""
    rows = np.array([context + example.SerializeToString() for example in listed.examples], object)
    return servable.run({signature.inputs["inputs"].name: rows}, [signature.outputs[name].name for name in outputs])


def _fill_spec(spec: Any, request: Any, version: int) -> None:
    spec.name = request.model_spec.name
    spec.signature_name = request.model_spec.signature_name or DEFAULT
    spec.version.value = version
