"""Checks a SavedModel with tensorflow and tensorflow_text alone; `kpt.export.check` runs it as a script.

`python check_process.py JOB` reads a JSON file: `folder`; `requests`, each with a `signature`, and `inputs` and
`outputs`, a serialised `TensorProto` in base64 under each name; `rows`, names of inputs with a row for each text; and
`batches`, sizes. The last line that it prints is a JSON object.
"""

from __future__ import annotations

import base64
import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

OTHERS = ("kpt", "keras", "keras_hub", "keras_nlp", "tensorflow_serving")
if __name__ == "__main__":  # what is not imported here must not be needed; TensorFlow looks for Keras by itself
    sys.modules.update(dict.fromkeys(OTHERS))  # type: ignore[arg-type]
    # TensorFlow Text imports its Keras layers in any case, and without Keras fails at them, before its operations.
    LAYERS = "tensorflow_text.python.keras"
    sys.modules[LAYERS] = ModuleType(LAYERS)

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

with contextlib.suppress(ImportError):  # registers the operations of tokenizers; a model without them needs none
    import tensorflow_text  # noqa: F401

CALLS, SECONDS, FEWEST = 50, 2.0, 5
#: What the server's stock image lacks.
FOREIGN = ("PyFunc", "Xla")


def main(job: dict[str, Any]) -> dict[str, Any]:
    """Load the model as TensorFlow Serving does, send the requests, and measure."""
    v1 = tf.compat.v1
    tf.get_logger().setLevel("ERROR")
    begin = time.perf_counter()
    with v1.Session(graph=tf.Graph()) as session:
        loaded = v1.saved_model.loader.load(session, [v1.saved_model.tag_constants.SERVING], job["folder"])
        seconds = time.perf_counter() - begin
        signatures = {name: each for name, each in loaded.signature_def.items() if not name.startswith("__")}
        problems = [*foreign_operations(loaded.graph_def), *wrong_outputs(signatures)]
        largest, calls = 0.0, {}
        for request in job["requests"]:
            name = request["signature"]
            signature, inputs = signatures[name], arrays(request["inputs"])
            run = runner(session, signature, inputs)
            difference, wrong = compared(dict(run(inputs)), arrays(request["outputs"]), name)
            largest, problems = max(largest, difference), [*problems, *wrong]
            calls[name] = run, inputs  # the last request of a signature has the most texts
        latency = {
            name: {size: timed(run, resized(inputs, job["rows"], size)) for size in job["batches"]}
            for name, (run, inputs) in calls.items()
        }
    return {
        "seconds": seconds,
        "signatures": sorted(signatures),
        "largest_difference": largest,
        "problems": problems,
        "latency": latency,
        "modules": [name for name in OTHERS if sys.modules.get(name)],
    }


def arrays(packed: dict[str, str]) -> dict[str, np.ndarray]:
    """Return the arrays of messages."""
    proto = type(tf.make_tensor_proto(0))
    return {name: tf.make_ndarray(proto.FromString(base64.b64decode(text))) for name, text in packed.items()}


def runner(session: Any, signature: Any, inputs: dict[str, Any]) -> Callable[[dict[str, Any]], Iterator[Any]]:
    """Return what computes the outputs of a signature."""
    names = list(inputs)
    outputs = sorted(signature.outputs)
    call = session.make_callable(
        [signature.outputs[name].name for name in outputs], [signature.inputs[name].name for name in names]
    )
    return lambda values: zip(outputs, call(*(values[name] for name in names)), strict=True)


def compared(found: dict[str, Any], expected: dict[str, Any], signature: str) -> tuple[float, list[str]]:
    """Return the largest difference of numbers, relative to those over 1, and what else is not as expected.

    What is no number, or infinite, differs by infinity from all but itself.
    """
    largest, problems = 0.0, []
    for name, wanted in expected.items():
        got = found.get(name)
        if got is None or got.shape != wanted.shape:
            problems.append(f"{signature}: the output {name} has not the shape that it had when it was exported")
        elif wanted.dtype.kind == "f":
            same = (got == wanted) | (np.isnan(got) & np.isnan(wanted))
            with np.errstate(invalid="ignore"):
                difference = np.abs(got.astype(np.float64) - wanted) / np.maximum(1.0, np.abs(wanted))
            # Python's max would keep what it has where the other one is no number.
            difference = np.where(same, 0.0, np.where(np.isfinite(difference), difference, np.inf))
            largest = max(largest, float(np.max(difference, initial=0.0)))
        elif not np.array_equal(got, wanted):
            problems.append(f"{signature}: the output {name} is not what it was when the model was exported")
    return largest, problems


def foreign_operations(graph: Any) -> list[str]:
    """Name the operations that the stock server cannot run."""
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    found = sorted({node.op for node in nodes if any(part in node.op for part in FOREIGN)})
    compiled = any(each.attr["_XlaMustCompile"].b for each in [*nodes, *graph.library.function])
    return [f"the graph has the operation {op}" for op in found] + ["the graph asks for XLA"] * compiled


def wrong_outputs(signatures: dict[str, Any]) -> list[str]:
    """Name the outputs that are ragged or sparse, or whose first dimension is fixed."""
    problems = []
    for signature, definition in signatures.items():
        for name, info in definition.outputs.items():
            dimensions = info.tensor_shape.dim
            if info.WhichOneof("encoding") != "name":
                problems.append(f"{signature}: the output {name} is no dense tensor")
            elif not info.tensor_shape.unknown_rank and (not dimensions or dimensions[0].size != -1):
                problems.append(f"{signature}: the output {name} has no row for each input")
    return problems


def resized(inputs: dict[str, Any], rows: list[str], size: int) -> dict[str, Any]:
    """Return inputs of a batch size; their rows are repeated."""
    return {name: np.resize(value, [size]) if name in rows else value for name, value in inputs.items()}


def timed(run: Callable[[dict[str, Any]], Any], inputs: dict[str, Any]) -> dict[str, float]:
    """Return the median and the 99th percentile of calls, in milliseconds."""
    run(inputs)
    times: list[float] = []
    while len(times) < CALLS and (sum(times) < SECONDS or len(times) < FEWEST):
        begin = time.perf_counter()
        run(inputs)
        times.append(time.perf_counter() - begin)
    p50, p99 = np.percentile(times, [50, 99]) * 1000
    return {"p50": round(float(p50), 3), "p99": round(float(p99), 3)}


if __name__ == "__main__":
    print(json.dumps(main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))))
