"""`kpt serve`: a local development server with the API of TensorFlow Serving."""

from __future__ import annotations

import argparse
import signal
import threading
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kpt.cli.arguments import positive_integer, positive_number, whole_number
from kpt.cli.backend import load_quietly
from kpt.cli.output import Output
from kpt.errors import InputError

__all__ = ["add_parser", "run"]

FOLDER = "saved_models"


def add_parser(verbs: Any) -> argparse.ArgumentParser:
    """Describe the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "serve",
        help="serve exported models on this machine, for trying out",
        description="A small development server with the REST and gRPC API of TensorFlow Serving, on this machine: a "
        "client that works with it works with TensorFlow Serving, which is for production. It serves the models of the "
        "folder's models.config, or each folder in it with a version, and every new version as soon as it is there. It "
        "has no authentication. Ctrl-C ends it.",
        epilog="Example: kpt serve saved_models",
    )
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path(FOLDER), metavar="DIR", help=f"(default: {FOLDER})"
    )
    parser.add_argument("--port", type=whole_number, default=8500, metavar="N", help="of gRPC (default: 8500)")
    parser.add_argument("--rest-port", type=whole_number, default=8501, metavar="N", help="of REST (default: 8501)")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 is all of the network (default: 127.0.0.1)"
    )
    parser.add_argument(
        "--model-config-file", type=Path, metavar="FILE", help="the models (default: models.config in DIR)"
    )
    parser.add_argument(
        "--threads", type=positive_integer, default=8, metavar="N", help="requests at a time (default: 8)"
    )
    parser.add_argument(
        "--poll-seconds", type=positive_number, default=1.0, metavar="S", help="between looks for versions (default: 1)"
    )
    parser.add_argument(
        "--maximum-request-bytes",
        type=positive_integer,
        default=64 << 20,
        metavar="N",
        help="larger ones are refused (default: 67,108,864)",
    )
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    """Serve until the process is asked to end."""
    for option, port in (("--port", arguments.port), ("--rest-port", arguments.rest_port)):
        if port > 65535:
            raise InputError(f"{option} is {port}; give a port from 1 to 65535, or 0 for a free one")
    for module in ("tensorflow", "tensorflow_serving", "grpc", "uvicorn"):
        if find_spec(module) is None:
            raise InputError(f"kpt serve needs {module}, which is not installed; run: pip install 'kpt[serving]'")
    serving = load_quietly(_load_server)
    asked = threading.Event()
    before = {number: signal.signal(number, lambda *_: asked.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        server = serving.ModelServer(
            arguments.folder,
            host=arguments.host,
            port=arguments.port,
            rest_port=arguments.rest_port,
            config=arguments.model_config_file,
            threads=arguments.threads,
            poll_seconds=arguments.poll_seconds,
            maximum_bytes=arguments.maximum_request_bytes,
            say=output.line,
        )
        output.line(f"loading {', '.join(server.models)}")
        with server:
            if not serving.is_loopback(arguments.host):
                output.line(f"others on the network reach {arguments.host}, and nothing asks them who they are")
            output.line(f"REST on http://{arguments.host}:{server.rest_port}/v1/models, gRPC on port {server.port}")
            output.line("a development server: TensorFlow Serving is for production; Ctrl-C ends it")
            asked.wait()
            output.line("ending")
        return {"models": list(server.models)}
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _load_server() -> Any:
    """TensorFlow, but not Keras."""
    serving = import_module("kpt.serving.server")
    serving.find_devices()
    return serving
