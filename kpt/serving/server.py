"""A development server for exported models: TensorFlow Serving's API without TensorFlow Serving.

It has neither authentication nor batching, and a model is a program: serve those alone that you would run.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import tensorflow as tf
import uvicorn

from kpt.errors import InputError
from kpt.serving.answers import Answers, predict
from kpt.serving.grpc_services import add_services
from kpt.serving.model_versions import ModelVersions
from kpt.serving.models_config import CONFIG, find_models, left_out
from kpt.serving.rest import rest_application
from kpt.serving.servable import Servable, warm_up_logs

__all__ = ["ModelServer"]

LOOPBACK = "127.0.0.1"
MAXIMUM_BYTES = 64 << 20


class ModelServer:
    """Serves the models of a folder by REST and gRPC, and each new version as soon as it is there.

    Args:
        root: the folder, such as `saved_models`; nothing outside it is served.
        host: the address to listen on, the machine's own by default.
        port: of gRPC; 0 takes a free one.
        rest_port: of REST; 0 takes a free one.
        config: a file in place of the folder's `models.config`.
        threads: requests that are computed at a time.
        poll_seconds: time between two looks for new versions.
        maximum_bytes: of a request.
        say: is told what happens, in a line.

    Attributes:
        port: of gRPC.
        rest_port: of REST.
        models: by their names, see `kpt.serving.model_versions`.

    Raises:
        InputError: there are no models, a path leads out of the folder, or a port is taken.

    Example:
        >>> with ModelServer("saved_models") as server:  # doctest: +SKIP
        ...     print(server.rest_port)
        8501
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        host: str = LOOPBACK,
        port: int = 8500,
        rest_port: int = 8501,
        config: str | os.PathLike[str] | None = None,
        threads: int = 8,
        poll_seconds: float = 1.0,
        maximum_bytes: int = MAXIMUM_BYTES,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        folder = Path(root)
        try:
            found = find_models(folder, None if config is None else Path(config))
        except PermissionError as error:
            raise InputError(f"{error}; give the folder that holds it") from error
        self.models = {model.name: ModelVersions(model, folder, load_warm, say) for model in found}
        self._host, self._say, self._poll_seconds = host, say, poll_seconds
        if names := left_out(folder, found):
            path = folder / CONFIG if config is None else config
            say(f"not served, since {path} does not name them: {', '.join(names)}; add a config for each")
        self._stopping = threading.Event()
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="rest")
        answers = Answers(self.models)
        self._socket = _bound(host, rest_port, "--rest-port")
        self.rest_port = int(self._socket.getsockname()[1])
        limit = [("grpc.max_receive_message_length", maximum_bytes), ("grpc.max_send_message_length", -1)]
        self._grpc = grpc.server(
            ThreadPoolExecutor(threads, thread_name_prefix="grpc"), options=[*limit, ("grpc.so_reuseport", 0)]
        )
        add_services(answers, self._grpc)
        try:
            self.port = int(self._grpc.add_insecure_port(_address(host, port)))
        except RuntimeError:
            self.port = 0
        if not self.port:
            self._socket.close()
            raise InputError(f"cannot listen on port {port} of {host}, which may be taken; choose another --port")
        application: Any = rest_application(answers, self._executor, maximum_bytes)
        self._rest = uvicorn.Server(
            uvicorn.Config(application, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=5)
        )
        self._threads = [
            threading.Thread(target=self._serve_rest, name="rest server", daemon=True),
            threading.Thread(target=self._watch, name="versions", daemon=True),
        ]

    def __enter__(self) -> ModelServer:
        """Load the models, then listen."""
        self.poll()
        for name, model in self.models.items():
            if not model.states():
                self._say(f"{name}: no version in {model.settings.folder} yet; one is served as soon as it is there")
        self._socket.listen()  # who connects from now on is answered, also before the thread has begun
        self._grpc.start()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """End the requests that have begun, and let go of the models."""
        self._stopping.set()
        self._rest.should_exit = True
        self._grpc.stop(grace=5).wait()
        for thread in self._threads:
            thread.join()
        self._executor.shutdown()
        self._socket.close()
        for model in self.models.values():
            model.close()

    def poll(self) -> None:
        """Look for new versions of all models."""
        for model in self.models.values():
            model.poll()

    def _watch(self) -> None:
        while not self._stopping.wait(self._poll_seconds):
            for model in self.models.values():
                # A folder that goes while it is read, or a line that nobody reads: the next look comes all the same.
                with suppress(OSError):
                    model.poll()

    def _serve_rest(self) -> None:
        asyncio.run(self._rest.serve(sockets=[self._socket]))


def load_warm(folder: Path) -> Servable:
    """Load a version, and send it the requests that it brings to be warm with."""
    servable = Servable(folder)
    try:
        for log in warm_up_logs(folder):
            if log.HasField("predict_log"):
                predict(servable, log.predict_log.request)
    except BaseException:
        servable.close()
        raise
    return servable


def find_devices() -> None:
    """Have TensorFlow look for devices now; what it has to say of them goes to standard error."""
    tf.constant(0)


def is_loopback(host: str) -> bool:
    """Return whether an address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _bound(host: str, port: int, option: str) -> socket.socket:
    """A socket with its port, so that a taken one is told before models are loaded."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        raise InputError(f"cannot listen on port {port} of {host} ({reason}); choose another {option}") from error
    return listener
