"""The gRPC API of TensorFlow Serving: PredictionService and ModelService, by the stubs of `tensorflow-serving-api`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from kpt.serving.answers import Answers
from kpt.serving.status import error_from, shortened

__all__ = ["add_services"]

CODES = {code.value[0]: code for code in grpc.StatusCode}


def add_services(answers: Answers, server: Any) -> None:
    """Register the services of a server: Predict, Classify, Regress, GetModelMetadata and GetModelStatus.

    The other calls, MultiInference and HandleReloadConfigRequest, answer UNIMPLEMENTED.

    Args:
        answers: of the server.
        server: a `grpc.Server`.
    """

    class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
        Predict = _method(answers.predict)
        Classify = _method(answers.classify)
        Regress = _method(answers.regress)
        GetModelMetadata = _method(answers.metadata)

    class ModelService(model_service_pb2_grpc.ModelServiceServicer):
        GetModelStatus = _method(answers.status)

    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(PredictionService(), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(), server)


def _method(answer: Callable[[Any], Any]) -> Callable[[Any, Any, Any], Any]:
    def method(_: Any, request: Any, context: Any) -> Any:
        try:
            return answer(request)
        except Exception as exception:
            error = error_from(exception)
        context.abort(CODES.get(error.code, grpc.StatusCode.UNKNOWN), shortened(error.message))

    return method
