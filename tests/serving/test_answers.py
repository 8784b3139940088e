from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
    regression_pb2,
)

from kpt.serving.status import ServingError
from tests.serving.small_model import example


def predict_request(signature: str = "", name: str = "small", **inputs: Any) -> Any:
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = name, signature
    for key, value in inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    return request


def refused(call: Any, request: Any) -> tuple[int, str]:
    with pytest.raises(ServingError) as raised:
        call(request)
    return raised.value.code, raised.value.message


def test_predict(answers: Any) -> None:
    response = answers.predict(predict_request(texts=["abc", "de"]))
    assert (response.model_spec.name, response.model_spec.version.value) == ("small", 1)
    assert response.model_spec.signature_name == "serving_default"
    assert list(response.outputs["size"].int_val) == [3, 2]
    assert list(response.outputs["same_bytes"].string_val) == [b"abc", b"de"]
    np.testing.assert_allclose(response.outputs["half"].float_val, [1.0, 2 / 3], rtol=1e-6)
    assert sorted(response.outputs) == ["half", "same_bytes", "size", "version"]


def test_predict_with_a_filter_a_version_and_a_label(answers: Any) -> None:
    request = predict_request(texts=["abc"])
    request.output_filter.extend(["size"])
    request.model_spec.version.value = 1
    assert list(answers.predict(request).outputs) == ["size"]
    request.model_spec.version_label = "stable"
    assert answers.predict(request).model_spec.version.value == 1
    request.output_filter.extend(["size"])
    assert refused(answers.predict, request) == (3, "duplicate output tensor alias: size")
    request.output_filter[:] = ["sizes"]
    assert refused(answers.predict, request) == (
        3,
        "output tensor alias not found in signature: sizes Outputs expected to be in the set "
        "{half,same_bytes,size,version}.",
    )


def test_what_predict_refuses(answers: Any) -> None:
    predict = answers.predict
    assert refused(predict, predict_request("nothing", texts=["a"])) == (
        9,
        'Serving signature key "nothing" not found.',
    )
    assert refused(predict, predict_request(name="other", texts=["a"])) == (
        5,
        "Servable not found for request: Latest(other)",
    )
    request = predict_request(texts=["a"])
    request.model_spec.version.value = 7
    assert refused(predict, request) == (5, "Servable not found for request: Specific(small, 7)")
    assert refused(predict, predict_pb2.PredictRequest()) == (3, "Missing ModelSpec")
    assert refused(predict, predict_request(texts=[1.5])) == (
        3,
        "Expects arg[0] to be string but float is provided",
    )
    assert refused(predict, predict_request(words=["a"])) == (
        3,
        "input tensor alias not found in signature: words. Inputs expected to be in the set {texts}.",
    )
    assert refused(predict, predict_request("larger", first=[1.0])) == (
        3,
        "input size does not match signature: 1!=2 len({first}) != len({first,second}). Sent extra: {}. Missing but "
        "required: {second}.",
    )


def test_an_error_in_the_graph_has_its_code_and_words(answers: Any) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="sizes differ"):
        answers.predict(predict_request("larger", first=[1.0], second=[1.0, 2.0]))


def test_classify(answers: Any) -> None:
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name, request.model_spec.signature_name = "small", "classify"
    request.input.example_list.examples.extend([example("ab"), example("abcd")])
    response = answers.classify(request)
    assert response.model_spec.version.value == 1
    assert [[(each.label, each.score) for each in row.classes] for row in response.result.classifications] == [
        [("short", 0.5), ("long", 2.0)],
        [("short", 0.25), ("long", 4.0)],
    ]
    request.model_spec.signature_name = ""
    assert refused(answers.classify, request) == (
        3,
        "Expected classification signature method_name to be tensorflow/serving/classify. Was: "
        "tensorflow/serving/predict",
    )
    request.model_spec.signature_name = "nothing"
    assert refused(answers.classify, request) == (3, "No signature was found with the name: nothing")
    request.model_spec.signature_name = "classify"
    request.input.Clear()
    assert refused(answers.classify, request) == (3, "Input is empty.")


def test_regress_with_a_context(answers: Any) -> None:
    request = regression_pb2.RegressionRequest()
    request.model_spec.name, request.model_spec.signature_name = "small", "regress"
    listed = request.input.example_list_with_context
    listed.context.CopyFrom(example("abc"))
    listed.examples.extend([tf.train.Example(), tf.train.Example()])
    response = answers.regress(request)
    assert [each.value for each in response.result.regressions] == [3.0, 3.0]


def test_the_states_of_versions(answers: Any) -> None:
    request = get_model_status_pb2.GetModelStatusRequest()
    assert refused(answers.status, request) == (3, "Missing ModelSpec")
    request.model_spec.name = "small"
    (state,) = answers.status(request).model_version_status
    assert (state.version, state.State.Name(state.state), state.status.error_code) == (1, "AVAILABLE", 0)
    request.model_spec.version.value = 4
    assert refused(answers.status, request) == (5, "Could not find version 4 of model small")
    request.model_spec.name = "other"
    assert refused(answers.status, request) == (5, "Could not find any versions of model other")


def test_the_signatures_of_a_model(answers: Any) -> None:
    request = get_model_metadata_pb2.GetModelMetadataRequest()
    request.model_spec.name = "small"
    assert refused(answers.metadata, request) == (
        3,
        "GetModelMetadataRequest must specify at least one metadata_field",
    )
    request.metadata_field.append("other")
    assert refused(answers.metadata, request) == (3, "Metadata field other is not supported")
    request.metadata_field[:] = ["signature_def"]
    response = answers.metadata(request)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert {"serving_default", "larger", "classify", "regress"} <= set(signatures.signature_def)
    assert signatures.signature_def["classify"].method_name == "tensorflow/serving/classify"
    assert response.model_spec.version.value == 1
    assert refused(answers.metadata, get_model_metadata_pb2.GetModelMetadataRequest()) == (3, "Missing ModelSpec")
