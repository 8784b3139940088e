from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_status_pb2,
    inference_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from kpt.serving.grpc_services import add_services


@pytest.fixture(scope="module")
def channel(answers: Any) -> Iterator[Any]:
    with ThreadPoolExecutor(2) as executor:
        server = grpc.server(executor)
        add_services(answers, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        with grpc.insecure_channel(f"127.0.0.1:{port}") as opened:
            yield opened
        server.stop(0).wait()


def test_answers_and_errors_go_through_the_stubs(channel: Any) -> None:
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "small"
    request.inputs["texts"].CopyFrom(tf.make_tensor_proto(["abc"]))
    assert list(stub.Predict(request, timeout=60).outputs["size"].int_val) == [3]
    request.model_spec.signature_name = "x"
    with pytest.raises(grpc.RpcError) as raised:
        stub.Predict(request, timeout=60)
    assert raised.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert raised.value.details() == 'Serving signature key "x" not found.'

    states = model_service_pb2_grpc.ModelServiceStub(channel)
    asked = get_model_status_pb2.GetModelStatusRequest()
    asked.model_spec.name = "small"
    assert states.GetModelStatus(asked, timeout=60).model_version_status[0].version == 1


def test_an_error_of_the_graph_keeps_its_code(channel: Any) -> None:
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "small", "larger"
    request.inputs["first"].CopyFrom(tf.make_tensor_proto([1.0]))
    request.inputs["second"].CopyFrom(tf.make_tensor_proto([1.0, 2.0]))
    with pytest.raises(grpc.RpcError) as raised:
        stub.Predict(request, timeout=60)
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "sizes differ" in raised.value.details()


def test_other_calls_are_not_there(channel: Any) -> None:
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    with pytest.raises(grpc.RpcError) as raised:
        stub.MultiInference(inference_pb2.MultiInferenceRequest(), timeout=60)
    assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED
