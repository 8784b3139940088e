from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from kpt.serving.rest import answer_rest, rest_application


def call(answers: Any, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    status, answer = answer_rest(answers, method, path, content)
    return status, json.loads(answer.decode("utf-8", "surrogateescape"))


def test_predict(answers: Any) -> None:
    path = "/v1/models/small:predict"
    assert call(answers, "POST", path, {"instances": ["abc"]}) == (
        200,
        {"predictions": [{"size": 3, "version": 1, "half": 1.0, "same_bytes": {"b64": "YWJj"}}]},
    )
    assert call(answers, "POST", "/V1/models/small/versions/1:Predict", {"inputs": {"texts": ["ab", "c"]}})[1] == {
        "outputs": {
            "size": [2, 1],
            "version": [1, 1],
            "half": [0.6666667, 0.33333334],
            "same_bytes": [{"b64": "YWI="}, {"b64": "Yw=="}],
        }
    }
    larger = {"signature_name": "larger", "instances": [{"first": 1, "second": 2}, {"first": 4, "second": 3}]}
    assert call(answers, "POST", "/v1/models/small/labels/stable:predict", larger) == (200, {"predictions": [2.0, 4.0]})
    assert call(answers, "POST", path, {"signature_name": "total", "inputs": ["ab", "c"]}) == (200, {"outputs": 3})


def test_classify_and_regress(answers: Any) -> None:
    examples = {"signature_name": "classify", "examples": [{"text": "abc"}]}
    assert call(answers, "POST", "/v1/models/small:classify", examples) == (
        200,
        {"results": [[["short", 0.33333334], ["long", 3.0]]]},
    )
    examples["signature_name"] = "regress"
    assert call(answers, "POST", "/v1/models/small:regress", examples) == (200, {"results": [3.0]})


def test_status_and_metadata(answers: Any) -> None:
    status = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    for path in ("/v1/models/small", "/v1/models/small/versions/1"):
        assert call(answers, "GET", path) == (200, {"model_version_status": [status]})
    code, answer = call(answers, "GET", "/v1/models/small/metadata")
    assert (code, answer["model_spec"]) == (200, {"name": "small", "signature_name": "", "version": "1"})
    larger = answer["metadata"]["signature_def"]["signature_def"]["larger"]
    assert larger["method_name"] == "tensorflow/serving/predict"
    assert larger["inputs"]["first"]["dtype"] == "DT_FLOAT"
    assert larger["inputs"]["first"]["tensor_shape"]["dim"] == [{"size": "-1", "name": ""}]


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "message"),
    [
        ("POST", "small:predict", {"instances": [1]}, 400, "Type: Number is not of expected type: string"),
        ("POST", "small:predict", {"signature_name": "x", "instances": ["a"]}, 400, '"x" not found in signature def'),
        ("POST", "small:predict", {"instances": [["a"]]}, 400, "Cannot feed value of shape"),
        ("POST", "small:predict", {"signature_name": "total", "instances": ["a"]}, 400, "total has no shape"),
        ("POST", "small:predict", b"{", 400, "JSON Parse error"),
        ("POST", "other:predict", {"instances": ["a"]}, 404, "Servable not found for request: Latest(other)"),
        ("POST", "small/versions/2:predict", {"instances": ["a"]}, 404, "Specific(small, 2)"),
        ("POST", "small/versions/99999999999999999999:predict", {"instances": ["a"]}, 400, "Failed to convert version"),
        ("POST", "small/labels/x:predict", {"instances": ["a"]}, 400, "Unrecognized servable version label: x"),
        ("POST", "small:classify", {"examples": [{"text": "a"}]}, 400, "Was: tensorflow/serving/predict"),
        ("POST", "small:classify", {"signature_name": "classify", "examples": [{"x": 1}]}, 400, "Feature: text"),
        ("POST", "small:forget", {}, 400, "Malformed request: POST /v1/models/small:forget"),
        ("PUT", "small", None, 400, "Malformed request: PUT /v1/models/small"),
        ("GET", "other", None, 404, "Could not find any versions of model other"),
        ("GET", "small/versions/5", None, 404, "Could not find version 5 of model small"),
        ("GET", "other/metadata", None, 404, "Servable not found for request: Latest(other)"),
        ("GET", "..%2F..%2Fetc", None, 404, "Could not find any versions of model ../../etc"),
    ],
)
def test_errors(answers: Any, method: str, path: str, body: Any, code: int, message: str) -> None:
    status, answer = call(answers, method, f"/v1/models/{path}", body)
    assert status == code
    assert list(answer) == ["error"]
    assert message in answer["error"]


def test_other_paths(answers: Any) -> None:
    assert call(answers, "GET", "/v1/models") == (400, {"error": "Missing model name in request."})
    assert call(answers, "GET", "/")[0] == 404


def asked(answers: Any, parts: list[bytes], maximum_bytes: int) -> tuple[int, Any]:
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages[-1]["more_body"] = False
    sent = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    with ThreadPoolExecutor(1) as executor:
        scope = {"type": "http", "method": "POST", "raw_path": b"/v1/models/small:predict"}
        asyncio.run(rest_application(answers, executor, maximum_bytes)(scope, receive, send))
    assert (b"content-type", b"application/json") in sent[0]["headers"]
    return sent[0]["status"], json.loads(sent[1]["body"])


def test_the_application_reads_bodies_in_parts(answers: Any) -> None:
    status, answer = asked(answers, [b'{"signature_name": "total", ', b'"inputs": ["abc"]}'], 1000)
    assert (status, answer) == (200, {"outputs": 3})


def test_a_body_over_the_limit_is_refused_before_its_end(answers: Any) -> None:
    status, answer = asked(answers, [b"x" * 600, b"x" * 600, b"never read"], 1000)
    assert (status, answer) == (413, {"error": "the request has over 1000 bytes, the most that this server takes"})


def test_what_no_reader_of_json_or_number_takes_is_the_clients_error(answers: Any) -> None:
    for body in (rb'{"instances": [{"\ud800": 1}]}', rb'{"signature_name": "\ud800", "instances": ["a"]}'):
        assert call(answers, "POST", "/v1/models/small:predict", body) == (
            400,
            {"error": "JSON Parse error: The surrogate pair in string is invalid."},
        )
    status, answer = call(answers, "GET", f"/v1/models/small/versions/{'9' * 5000}")
    assert (status, answer["error"][:34]) == (400, "Failed to convert version: 9999999")
    deep = b'{"instances": ' + b"[" * 90 + b"]" * 90 + b"}"
    assert call(answers, "POST", "/v1/models/small:predict", deep)[0] == 400
