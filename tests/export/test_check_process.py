from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kpt.export import check_process
from kpt.export.check import recorded_requests
from tests.export.served_small import Sizes, served_small


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    version = served_small(tmp_path_factory.mktemp("models") / "small")
    return {
        "folder": str(version),
        "requests": recorded_requests(version),
        "rows": ["texts", "prompts"],
        "batches": [2],
    }


def test_the_process_has_neither_kpt_nor_keras(job: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    path.write_text(json.dumps(job))
    command = [sys.executable, "-I", check_process.__file__, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["modules"] == []
    assert found["problems"] == []
    assert found["signatures"] == ["generate", "serving_default"]
    assert found["largest_difference"] < 1e-6
    assert list(found["latency"]["generate"]) == ["2"]


def test_what_differs_is_named(job: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_process, "CALLS", 1)
    read = check_process.arrays
    monkeypatch.setattr(
        check_process,
        "arrays",
        lambda packed: read(packed) if "size" not in packed else read(packed) | {"size": np.array([-1]), "more": 0},
    )
    problems = check_process.main(job)["problems"]
    assert problems[0] == "serving_default: the output size is not what it was when the model was exported"
    assert problems[1] == "serving_default: the output more has not the shape that it had when it was exported"


def test_differences_are_relative_for_large_numbers() -> None:
    found = {"x": np.array([100.0, 0.5], np.float32)}
    assert check_process.compared(found, {"x": np.array([101.0, 0.25], np.float32)}, "s") == (0.25, [])
    nothing = np.zeros([0], np.float32)
    assert check_process.compared({"x": nothing}, {"x": nothing}, "s") == (0.0, [])


def test_what_the_stock_server_cannot_run_is_named() -> None:
    @tf.function(jit_compile=True)
    def compiled(x: Any) -> Any:
        return x + 1

    @tf.function
    def function(x: Any) -> Any:
        return compiled(tf.numpy_function(lambda y: y, [x], tf.float32))

    graph = function.get_concrete_function(tf.TensorSpec([None], tf.float32)).graph.as_graph_def()
    assert check_process.foreign_operations(graph) == ["the graph has the operation PyFunc", "the graph asks for XLA"]
    plain = Sizes().functions["serving_default"].graph.as_graph_def()
    assert check_process.foreign_operations(plain) == []


def test_outputs_that_cannot_be_served_are_named() -> None:
    info = tf.compat.v1.saved_model.utils.build_tensor_info
    with tf.Graph().as_default():
        outputs = {
            "good": info(tf.compat.v1.placeholder(tf.float32, [None, 2])),
            "unknown": info(tf.compat.v1.placeholder(tf.float32)),
            "fixed": info(tf.compat.v1.placeholder(tf.float32, [3, 2])),
            "scalar": info(tf.compat.v1.placeholder(tf.float32, [])),
            "sparse": info(tf.compat.v1.sparse_placeholder(tf.float32)),
        }
    definition = tf.compat.v1.saved_model.build_signature_def({}, outputs)
    assert sorted(check_process.wrong_outputs({"s": definition})) == [
        "s: the output fixed has no row for each input",
        "s: the output scalar has no row for each input",
        "s: the output sparse is no dense tensor",
    ]


def test_batches_repeat_rows_and_leave_settings() -> None:
    inputs = {"texts": np.array([b"a", b"b"], object), "labels": np.array([b"x", b"y"], object)}
    resized = check_process.resized(inputs, ["texts"], 3)
    assert {name: value.tolist() for name, value in resized.items()} == {
        "texts": [b"a", b"b", b"a"],
        "labels": [b"x", b"y"],
    }


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_no_small_difference(value: float) -> None:
    sound, broken = (np.array([0.5, each], np.float32) for each in (0.25, value))
    assert check_process.compared({"a": broken}, {"a": sound}, "s") == (np.inf, [])
    assert check_process.compared({"a": sound}, {"a": broken}, "s") == (np.inf, [])
    assert check_process.compared({"a": broken}, {"a": broken}, "s") == (0.0, [])
