"""What an exported classifier costs beside its parts, and how many requests `kpt serve` answers.

    python -m benchmarks.serving --out serving.json

The classifier that takes texts, the same graph fed with ids, and the tokenizer alone are SavedModels, each loaded
through the session loader as TensorFlow Serving does. They take turns call by call. The ratio is the median time with
texts over the sum of those of the parts; TensorFlow Serving adds the same to all three.

Then eight clients, each with its own gRPC connection, ask a server process of `kpt serve` for one text a request.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import kpt
from kpt.files import write_json
from kpt.models import encoder_config

FULL: dict[str, Any] = {"size": "mini", "vocabulary_size": 5000, "length": 128, "texts": 2000, "calls": 300}
TINY: dict[str, Any] = {"size": "tiny", "vocabulary_size": 400, "length": 24, "texts": 60, "calls": 5}
BATCHES = (1, 8, 32)
SIDES = ("texts in", "ids in", "tokenizer")


def classifier(settings: dict[str, Any]) -> tuple[Any, Any, list[str]]:
    """Return a classifier that was not trained, its tokenizer, and texts of documentation."""
    texts = [document.text[:600] for document in islice(kpt.text.documentation(["keras", "numpy"]), settings["texts"])]
    tokenizer = kpt.WordPieceTokenizer.train(texts, settings["vocabulary_size"])
    config = encoder_config(settings["size"]) | {"maximum_length": settings["length"]}
    model = kpt.Classifier(
        kpt.Encoder(tokenizer.vocabulary.size, **config),
        ["other", "python", "tensorflow"],
        length=settings["length"],
        pooling="mean",
    )
    return model, tokenizer, texts


def write_parts(model: Any, tokenizer: Any, length: int, folder: Path) -> None:
    """Write the classifier's graph fed with ids, and its tokenizer alone, as SavedModels `ids` and `tokenizer`."""
    import tensorflow as tf

    from kpt.export.sequences import single_sequences

    module = tf.Module()
    module.weights = [weight.value for weight in model.weights]
    module.tokenizer = tokenizer.in_graph()

    @tf.function(jit_compile=False, autograph=False)
    def from_ids(token_ids: Any, segment_ids: Any, padding_mask: Any) -> Any:
        batch = {"token_ids": token_ids, "segment_ids": segment_ids, "padding_mask": padding_mask}
        return {"probabilities": tf.nn.softmax(tf.cast(model(batch, training=False), tf.float32))}

    @tf.function(jit_compile=False, autograph=False)
    def to_ids(texts: Any) -> Any:
        return single_sequences(module.tokenizer(texts), tokenizer.vocabulary, length)

    ids = [tf.TensorSpec([None, None], tf.int32, name=name) for name in ("token_ids", "segment_ids")]
    mask = tf.TensorSpec([None, None], tf.bool, name="padding_mask")
    tf.saved_model.save(module, str(folder / "ids"), signatures=from_ids.get_concrete_function(*ids, mask))
    texts = tf.TensorSpec([None], tf.string, name="texts")
    tf.saved_model.save(module, str(folder / "tokenizer"), signatures=to_ids.get_concrete_function(texts))


def latency(served: Path, parts: Path, texts: list[str], calls: int) -> list[dict[str, Any]]:
    """Return the milliseconds of each side and batch size, and the ratios."""
    from kpt.serving.servable import Servable

    sides = {
        "texts in": (Servable(served), ["probabilities"]),
        "ids in": (Servable(parts / "ids"), ["probabilities"]),
        "tokenizer": (Servable(parts / "tokenizer"), ["token_ids", "segment_ids", "padding_mask"]),
    }

    def call(side: str, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        servable, outputs = sides[side]
        signature = servable.signatures["serving_default"]
        feeds = {signature.inputs[name].name: value for name, value in inputs.items()}
        return servable.run(feeds, [signature.outputs[name].name for name in outputs])

    rows = []
    for size in BATCHES:
        times: dict[str, list[float]] = {side: [] for side in SIDES}
        for turn in range(-3, calls):  # the first turns warm up
            some = [texts[(turn * size + number) % len(texts)].encode() for number in range(size)]
            strings = {"texts": np.array(some, object)}
            ids = dict(zip(sides["tokenizer"][1], call("tokenizer", strings), strict=True))
            order = SIDES[turn % 3 :] + SIDES[: turn % 3]
            answers = {}
            for side in order:
                begin = time.perf_counter()
                answers[side] = call(side, ids if side == "ids in" else strings)
                if turn >= 0:
                    times[side].append((time.perf_counter() - begin) * 1000)
            np.testing.assert_allclose(answers["texts in"][0], answers["ids in"][0], atol=1e-5)
        medians = {side: statistics.median(values) for side, values in times.items()}
        rows.append(
            {
                "batch_size": size,
                "milliseconds": {side: round(value, 4) for side, value in medians.items()},
                "p99": {side: round(float(np.percentile(values, 99)), 4) for side, values in times.items()},
                "ratio": round(medians["texts in"] / (medians["ids in"] + medians["tokenizer"]), 4),
            }
        )
    return rows


@contextmanager
def server_process(folder: Path) -> Iterator[int]:
    """Run `kpt serve` in a process of its own; gives the port of gRPC."""
    command = [sys.executable, "-m", "kpt.cli.main", "serve", str(folder), "--port", "0", "--rest-port", "0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(Path(kpt.__file__).parent.parent)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout
        for line in process.stdout:
            if found := re.search(r"gRPC on port (\d+)", line):
                yield int(found[1])
                break
        else:
            raise RuntimeError(f"kpt serve ended with status {process.wait()}")
    finally:
        process.terminate()
        process.communicate()


def throughput(port: int, name: str, texts: list[str], clients: int, requests: int) -> dict[str, Any]:
    """Return the requests a second of several clients at once; none may fail."""
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis.predict_pb2 import PredictRequest
    from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

    times: list[float] = []
    errors: list[str] = []

    def ask(client: int) -> None:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = PredictionServiceStub(channel)
            for number in range(requests):
                request = PredictRequest()
                request.model_spec.name = name
                text = texts[(client * requests + number) % len(texts)]
                request.inputs["texts"].CopyFrom(tf.make_tensor_proto([text]))
                begin = time.perf_counter()
                try:
                    stub.Predict(request, timeout=60)
                except grpc.RpcError as error:
                    errors.append(str(error.code()))
                times.append(time.perf_counter() - begin)

    threads = [threading.Thread(target=ask, args=(client,)) for client in range(clients)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - begin
    p50, p99 = np.percentile(times, [50, 99]) * 1000
    return {
        "clients": clients,
        "requests": len(times),
        "errors": errors,
        "requests_per_second": round(len(times) / seconds, 1),
        "milliseconds_p50": round(float(p50), 2),
        "milliseconds_p99": round(float(p99), 2),
    }


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark; return what is written to `--out`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("serving.json"), help="JSON to write")
    parser.add_argument("--clients", type=int, default=8, help="that ask at once")
    parser.add_argument("--requests", type=int, default=200, help="of each client")
    parser.add_argument("--tiny", action="store_true", help="to see that it runs; the figures mean nothing")
    options = parser.parse_args(arguments)
    settings = TINY if options.tiny else FULL
    requests = 3 if options.tiny else options.requests
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, tokenizer, texts = classifier(settings)
        served = kpt.export.saved_model(model, tokenizer, folder / "models" / "reviews")
        write_parts(model, tokenizer, settings["length"], folder)
        result: dict[str, Any] = {"settings": settings, "rows": latency(served, folder, texts, settings["calls"])}
        with server_process(folder / "models") as port:
            result["server"] = throughput(port, "reviews", texts, options.clients, requests)
    write_json(options.out, result)
    show(result, Console())
    return result


def show(result: dict[str, Any], console: Console) -> None:
    """Print the tables."""
    table = Table("batch", *(f"{side}, ms" for side in SIDES), "ratio", title="an exported classifier and its parts")
    for row in result["rows"]:
        times = (f"{row['milliseconds'][side]:.3f}" for side in SIDES)
        table.add_row(str(row["batch_size"]), *times, f"{row['ratio']:.3f}")
    console.print(table)
    table = Table("clients", "requests", "errors", "requests/s", "p50, ms", "p99, ms", title="kpt serve")
    server = result["server"]
    figures = [f"{server[name]:,}" for name in ("requests_per_second", "milliseconds_p50", "milliseconds_p99")]
    table.add_row(str(server["clients"]), str(server["requests"]), str(len(server["errors"])), *figures)
    console.print(table)


if __name__ == "__main__":
    main()
