"""Whether an exported model answers, in a process of its own, what it answered when it was exported."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from kpt.errors import InputError
from kpt.export.versions import versions_of

__all__ = ["Checked", "check_saved_model"]

BATCHES = (1, 8, 32)
#: Two orders of the same sums in float32; with narrower types they differ more.
TOLERANCE, NARROW_TOLERANCE = 1e-4, 5e-2


class Checked(NamedTuple):
    """What a check found.

    Args:
        folder: the version's folder.
        seconds: that loading took.
        signatures: that the model has.
        requests: that were sent.
        largest_difference: of a number from the model's own, relative where that is over 1.
        latency_ms: of each signature and batch size, the median and the 99th percentile: `p50` and `p99`.
    """

    folder: Path
    seconds: float
    signatures: list[str]
    requests: int
    largest_difference: float
    latency_ms: dict[str, dict[str, dict[str, float]]]


def check_saved_model(folder: str | os.PathLike[str]) -> Checked:
    """Load an export with tensorflow and tensorflow_text alone, send its warm-up requests, compare and measure.

    The process loads it as TensorFlow Serving does, through the session loader by the tag `serve`. Each answer must be
    that which the model gave when it was exported, numbers up to 1e-4 (5e-2 for a model that computes in 16 bits).
    There must be no operation of Python's or XLA's, and each output must be a dense tensor with a row for each input.

    Args:
        folder: a version's folder, or a model's, whose highest version is checked.

    Raises:
        InputError: there is no export, or none with requests in it.
        RuntimeError: it cannot be loaded, or it answers something else.

    Example:
        >>> check_saved_model("saved_models/bert").largest_difference  # doctest: +SKIP
        2.4e-07
    """
    version = exported_version(Path(folder))
    requests = recorded_requests(version)
    notes = read_notes(version)
    from kpt.export.serving_files import ROW_INPUTS

    job = {"folder": str(version.absolute()), "requests": requests, "rows": sorted(ROW_INPUTS), "batches": BATCHES}
    with tempfile.TemporaryDirectory(prefix="kpt-check-") as name:
        path = Path(name, "job.json")
        path.write_text(json.dumps(job), encoding="utf-8")
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": ""}
        # -I: nothing of the current folder or of PYTHONPATH is imported by chance.
        command = [sys.executable, "-I", str(Path(__file__).with_name("check_process.py")), str(path)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise RuntimeError(f"{version} cannot be loaded: {lines[-1] if lines else done.returncode}")
    found = json.loads(done.stdout.splitlines()[-1])
    if found["problems"]:
        raise RuntimeError(f"{version} would not be served as exported: {'; '.join(found['problems'])}")
    limit = TOLERANCE if notes.get("compute_dtype", "float32") == "float32" else NARROW_TOLERANCE
    if not found["largest_difference"] <= limit:
        raise RuntimeError(
            f"{version} answers with numbers that differ by {found['largest_difference']:.3g} from those of the model "
            f"when it was exported, more than {limit:g}"
        )
    return Checked(
        version,
        round(found["seconds"], 3),
        found["signatures"],
        len(requests),
        found["largest_difference"],
        {
            signature: {f"batch {size}": figures for size, figures in sizes.items()}
            for signature, sizes in found["latency"].items()
        },
    )


def exported_version(folder: Path) -> Path:
    """Return a version's folder: the folder itself, or the highest version in it.

    Raises:
        InputError: it is no export and has none.
    """
    if (folder / "saved_model.pb").is_file():
        return folder
    versions = versions_of(folder)
    if not versions:
        raise InputError(f"{folder} is no exported model and has no version of one; give a folder of kpt export")
    return folder / str(versions[-1])


def recorded_requests(version: Path) -> list[dict[str, Any]]:
    """Return the requests that a version brings to warm up with, and the model's answers, in base64.

    Raises:
        InputError: it brings none, they have no answers, or the file is damaged.
    """
    import tensorflow as tf
    from google.protobuf.message import DecodeError
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    from kpt.export.serving_files import WARM_UP

    path = version / "assets.extra" / WARM_UP
    if not path.is_file():
        raise InputError(f"{version} brings no requests to check it with; export it with this version of kpt")

    def packed(tensors: Any) -> dict[str, str]:
        return {name: base64.b64encode(tensor.SerializeToString()).decode() for name, tensor in tensors.items()}

    try:
        records = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
        logs = [PredictionLog.FromString(record).predict_log for record in records]
    except (tf.errors.OpError, DecodeError) as error:
        raise InputError(f"{path} is damaged ({getattr(error, 'message', error)}); export the model again") from error
    requests = [
        {
            "signature": log.request.model_spec.signature_name,
            "inputs": packed(log.request.inputs),
            "outputs": packed(log.response.outputs),
        }
        for log in logs
        if log.response.outputs
    ]
    if not requests:
        raise InputError(f"{path} has no request with the model's answer; export it with this version of kpt")
    return requests


def read_notes(version: Path) -> dict[str, Any]:
    """Return what a version says of itself, nothing where it says nothing."""
    try:
        notes = json.loads((version / "assets.extra" / "kpt.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return notes if isinstance(notes, dict) else {}
