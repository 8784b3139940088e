"""A real client: the stubs of `tensorflow-serving-api` over gRPC, and plain HTTP."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from kpt.errors import InputError
from kpt.serving import ModelServer
from kpt.serving.server import is_loopback, load_warm
from tests.serving.small_model import example, small_model

LIMIT = 100_000


class Client:
    """Asks a server both ways."""

    def __init__(self, server: ModelServer) -> None:
        self.channel = grpc.insecure_channel(f"127.0.0.1:{server.port}")
        self.stub = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.states = model_service_pb2_grpc.ModelServiceStub(self.channel)
        self.http = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=60)

    def rest(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        content = body if isinstance(body, bytes | None) else json.dumps(body)
        self.http.request(method, f"/v1/models/{path}", content)
        response = self.http.getresponse()
        return response.status, json.loads(response.read())

    def predict(self, name: str = "small", **inputs: Any) -> Any:
        request = predict_pb2.PredictRequest()
        request.model_spec.name = name
        for key, value in inputs.items():
            request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
        return self.stub.Predict(request, timeout=60)

    def close(self) -> None:
        self.http.close()
        self.channel.close()


@pytest.fixture(scope="module")
def root(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("served")
    shutil.copytree(exported / "small", root / "small")
    return root


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[ModelServer]:
    with ModelServer(root, port=0, rest_port=0, poll_seconds=0.05, maximum_bytes=LIMIT) as server:
        yield server


@pytest.fixture
def client(server: ModelServer) -> Iterator[Client]:
    client = Client(server)
    yield client
    client.close()


def test_grpc(client: Client) -> None:
    response = client.predict(texts=["abc", "de"])
    assert tf.make_ndarray(response.outputs["size"]).tolist() == [3, 2]

    classify = classification_pb2.ClassificationRequest()
    classify.model_spec.name, classify.model_spec.signature_name = "small", "classify"
    classify.input.example_list.examples.append(example("ab"))
    (row,) = client.stub.Classify(classify, timeout=60).result.classifications
    assert [(each.label, each.score) for each in row.classes] == [("short", 0.5), ("long", 2.0)]

    regress = regression_pb2.RegressionRequest()
    regress.model_spec.name, regress.model_spec.signature_name = "small", "regress"
    regress.input.example_list.examples.append(example("ab"))
    assert [each.value for each in client.stub.Regress(regress, timeout=60).result.regressions] == [2.0]

    status = get_model_status_pb2.GetModelStatusRequest()
    status.model_spec.name = "small"
    (state,) = client.states.GetModelStatus(status, timeout=60).model_version_status
    assert state.state == state.AVAILABLE

    metadata = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    metadata.model_spec.name = "small"
    signatures = get_model_metadata_pb2.SignatureDefMap()
    client.stub.GetModelMetadata(metadata, timeout=60).metadata["signature_def"].Unpack(signatures)
    assert sorted(signatures.signature_def["larger"].inputs) == ["first", "second"]


def test_rest(client: Client) -> None:
    rows = {"signature_name": "larger", "instances": [{"first": 1, "second": 2}]}
    assert client.rest("POST", "small:predict", rows) == (200, {"predictions": [2.0]})
    columns = {"signature_name": "larger", "inputs": {"first": [1], "second": [2]}}
    assert client.rest("POST", "small/versions/1:predict", columns) == (200, {"outputs": [2.0]})
    code, answer = client.rest("POST", "small:predict", {"instances": [{"b64": "/w=="}]})
    assert (code, answer["predictions"][0]["same_bytes"]) == (200, {"b64": "/w=="})
    examples = {"signature_name": "classify", "examples": [{"text": "ab"}]}
    assert client.rest("POST", "small:classify", examples) == (200, {"results": [[["short", 0.5], ["long", 2.0]]]})
    assert client.rest("GET", "small")[1]["model_version_status"][0]["state"] == "AVAILABLE"
    assert client.rest("GET", "small/metadata")[1]["model_spec"]["name"] == "small"


def test_errors_are_those_of_tensorflow_serving(client: Client) -> None:
    def code_of(call: Any, *arguments: Any, **named: Any) -> str:
        with pytest.raises(grpc.RpcError) as raised:
            call(*arguments, **named)
        return str(raised.value.code().name)

    assert code_of(client.predict, name="other", texts=["a"]) == "NOT_FOUND"
    assert code_of(client.predict, texts=[1]) == "INVALID_ARGUMENT"
    assert code_of(client.predict, words=["a"]) == "INVALID_ARGUMENT"
    assert client.rest("POST", "other:predict", {"instances": ["a"]})[0] == 404
    assert client.rest("POST", "small:predict", {"signature_name": "x", "instances": ["a"]})[0] == 400
    assert client.rest("POST", "small:predict", {"instances": [1]})[0] == 400


def test_oversized_requests_are_refused_and_the_server_goes_on(client: Client, server: ModelServer) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        client.predict(texts=["x" * (LIMIT + 1)])
    assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=60)
    try:
        connection.request("POST", "/v1/models/small:predict", b"x" * (LIMIT + 1))
        assert connection.getresponse().status == 413
    except (BrokenPipeError, ConnectionResetError):  # the answer may come before the body is all sent
        pass
    finally:
        connection.close()
    assert client.rest("POST", "small:predict", {"signature_name": "total", "inputs": ["a"]})[0] == 200
    assert list(client.predict(texts=["a"]).outputs["size"].int_val) == [1]


def test_no_request_fails_while_a_new_version_takes_over(root: Path) -> None:
    shutil.copytree(root / "small", root / "rolling")
    said: list[str] = []
    answered: dict[int, list[int]] = {}
    failed: list[BaseException] = []
    begun = threading.Barrier(9)

    def ask(number: int, server: ModelServer) -> None:
        client = Client(server)
        versions = answered.setdefault(number, [])
        try:
            for turn in range(20_000):
                if number % 2:
                    (version,) = client.predict("rolling", texts=["a"]).outputs["version"].int64_val
                else:
                    status, answer = client.rest("POST", "rolling:predict", {"instances": ["a"]})
                    assert status == 200, answer
                    version = answer["predictions"][0]["version"]
                versions.append(version)
                if turn == 10:
                    begun.wait()
                if versions.count(2) == 20:
                    break
        except BaseException as error:
            failed.append(error)
            begun.abort()
        finally:
            client.close()

    with ModelServer(root / "rolling", port=0, rest_port=0, poll_seconds=0.05, say=said.append) as server:
        clients = [threading.Thread(target=ask, args=(number, server)) for number in range(8)]
        for each in clients:
            each.start()
        begun.wait(timeout=120)
        small_model(root / "rolling", version=2)
        for each in clients:
            each.join()
        assert failed == []
        for versions in answered.values():
            assert versions == sorted(versions)
            assert set(versions) == {1, 2}
        while server.models["rolling"].states()[1].state != "END":
            pass
    assert said == [
        "rolling version 1: available",
        "rolling version 2: available",
        "rolling version 1: unloaded",
        "rolling version 2: unloaded",
    ]


def test_a_look_that_fails_is_not_the_last(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    seen = threading.Event()

    def poll() -> None:
        looks.append(len(looks))
        if len(looks) == 2:
            raise FileNotFoundError("gone while it was read")
        if len(looks) > 2:
            seen.set()

    server = ModelServer(root / "small", port=0, rest_port=0, poll_seconds=0.01)
    (model,) = server.models.values()
    monkeypatch.setattr(model, "poll", poll)  # of this one alone: others look for their versions meanwhile
    with server:
        assert seen.wait(timeout=60)


def test_it_listens_on_this_machine_alone(server: ModelServer) -> None:
    addresses = {each[4][0] for each in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in addresses - {"127.0.0.1"}:
        if not is_loopback(address):
            for port in (server.port, server.rest_port):
                with pytest.raises(ConnectionRefusedError):
                    socket.create_connection((address, port), timeout=10)
    assert server._socket.getsockname()[0] == "127.0.0.1"
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "example.org")] == [
        *(True, True, True, False, False)
    ]


def test_a_port_that_is_taken_is_refused(root: Path, server: ModelServer) -> None:
    with pytest.raises(InputError, match=r"cannot listen on port \d+ of 127.0.0.1 .*choose another --rest-port"):
        ModelServer(root, port=0, rest_port=server.rest_port)
    with pytest.raises(InputError, match="which may be taken; choose another --port"):
        ModelServer(root, port=server.port, rest_port=0)


def test_a_link_to_a_model_outside_is_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(root / "small")
    with pytest.raises(InputError, match="outside the served folder"):
        ModelServer(tmp_path, port=0, rest_port=0)


def test_a_version_with_damaged_requests_is_not_served(exported: Path, tmp_path: Path) -> None:
    folder = tmp_path / "1"
    shutil.copytree(exported / "small" / "1", folder)
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"no records but other bytes")
    with pytest.raises(tf.errors.OpError, match=r"truncated|corrupted"):
        load_warm(folder)
