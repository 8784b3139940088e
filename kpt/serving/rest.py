"""The REST API of TensorFlow Serving as an ASGI application.

Source: tensorflow/serving, `model_servers/http_rest_api_handler.cc` and `model_servers/http_rest_api_util.cc`.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import Any
from urllib.parse import unquote

import numpy as np
from google.protobuf.json_format import MessageToDict
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
    regression_pb2,
)

from kpt.serving.answers import DEFAULT, Answers
from kpt.serving.json_examples import fill_examples
from kpt.serving.json_predict import fill_predict, predictions_json
from kpt.serving.json_values import parsed
from kpt.serving.status import error_from, http_status, invalid_argument, not_found

__all__ = ["answer_rest", "rest_application"]

_MODEL = r"/v1/models(?:/(?P<name>[^/:]+))?(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
CALLED = re.compile(_MODEL + ":(?P<method>classify|regress|predict)", re.IGNORECASE)
ASKED = re.compile(_MODEL + "(?:/(?P<part>metadata))?", re.IGNORECASE)

TOO_LARGE = 413
#: Of a version; Python refuses to read numbers of thousands.
MOST_DIGITS = 100


def rest_application(answers: Answers, executor: Executor, maximum_bytes: int) -> Callable[..., Awaitable[None]]:
    """Return the application; models compute in the executor's threads.

    Args:
        answers: of the server.
        executor: threads.
        maximum_bytes: of a request's body; a larger one is refused before it is read to its end.
    """

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = await _body(receive, maximum_bytes)
        if body is None:
            text = f"the request has over {maximum_bytes} bytes, the most that this server takes"
            status, answer = TOO_LARGE, json.dumps({"error": text}).encode()
        else:
            path = scope["raw_path"].decode("latin-1").partition("?")[0]
            loop = asyncio.get_running_loop()
            status, answer = await loop.run_in_executor(executor, answer_rest, answers, scope["method"], path, body)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return application


async def _body(receive: Any, maximum_bytes: int) -> bytes | None:
    """The body of a request; None if it is too large."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > maximum_bytes:
            return None
        if not message.get("more_body"):
            return bytes(body)


def answer_rest(answers: Answers, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    """Return the HTTP status and the body of an answer.

    Args:
        answers: of the server.
        method: GET or POST.
        path: as it was sent, such as `/v1/models/bert:predict`.
        body: of the request.
    """
    try:
        return 200, _json(_answer(answers, method, path, body))
    except Exception as exception:
        error = error_from(exception)
        return http_status(error.code), _json({"error": error.message})


def _answer(answers: Answers, method: str, path: str, body: bytes) -> dict[str, Any]:
    match = {"POST": CALLED, "GET": ASKED}.get(method, ASKED).fullmatch(path)
    if match is None and not path.lower().startswith("/v1/"):
        raise not_found(f"there is nothing at {path}; models are at /v1/models/NAME")
    if match is None or method not in ("GET", "POST"):
        raise invalid_argument(f"Malformed request: {method} {path}")
    if not match["name"]:
        raise invalid_argument("Missing model name in request.")
    if method == "POST":
        return _called(answers, match, body)
    if match["part"]:
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        _fill_spec(request.model_spec, match)
        response = answers.metadata(request)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        response.metadata["signature_def"].Unpack(signatures)
        return {
            "model_spec": _message(response.model_spec),
            "metadata": {"signature_def": _message(signatures)},
        }
    request = get_model_status_pb2.GetModelStatusRequest()
    _fill_spec(request.model_spec, match)
    return _message(answers.status(request))


def _called(answers: Answers, match: re.Match[str], body: bytes) -> dict[str, Any]:
    """Classify, Regress or Predict."""
    document = parsed(body)
    method = match["method"].lower()
    messages: dict[str, Any] = {
        "predict": predict_pb2.PredictRequest,
        "classify": classification_pb2.ClassificationRequest,
        "regress": regression_pb2.RegressionRequest,
    }
    request = messages[method]()
    _fill_spec(request.model_spec, match)
    request.model_spec.signature_name = document.get("signature_name", "")
    if method != "predict":
        fill_examples(document, request.input)
        if method == "classify":
            lists = answers.classify(request).result.classifications
            return {"results": [[[each.label, _decimal(each.score)] for each in row.classes] for row in lists]}
        return {"results": [_decimal(each.value) for each in answers.regress(request).result.regressions]}
    with answers.servable(request) as (version, servable):
        name = request.model_spec.signature_name or DEFAULT
        if name not in servable.signatures:
            raise invalid_argument(f'Serving signature name: "{name}" not found in signature def')
        rows = fill_predict(document, servable.signatures[name].inputs, request)
        request.model_spec.version.value = version
        return predictions_json(answers.predict(request).outputs, rows)


def _fill_spec(spec: Any, match: re.Match[str]) -> None:
    spec.name = unquote(match["name"])
    if match["version"]:
        if len(match["version"]) > MOST_DIGITS or int(match["version"]) >= 2**63:
            raise invalid_argument(f"Failed to convert version: {match['version'][:MOST_DIGITS]} to numeric.")
        spec.version.value = int(match["version"])
    elif match["label"]:
        spec.version_label = unquote(match["label"])


def _decimal(number: float) -> float:
    """The shortest decimal number that is the same as a float32."""
    return float(str(np.float32(number)))


def _message(message: Any) -> dict[str, Any]:
    return dict(MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True))


def _json(value: Any) -> bytes:
    # Strings that are no UTF-8 go out as they came.
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogateescape")
