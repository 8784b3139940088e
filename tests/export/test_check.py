from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from kpt.errors import InputError
from kpt.export.check import check_saved_model, exported_version, read_notes, recorded_requests
from kpt.export.serving_files import WARM_UP
from tests.export.served_small import served_small


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "small"
    served_small(folder, length=24)
    return folder


def altered(version: Path, target: Path, alter: Any) -> Path:
    """A copy whose recorded requests are others."""
    shutil.copytree(version, target)
    path = target / "assets.extra" / WARM_UP
    logs = [PredictionLog.FromString(record) for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator()]
    with tf.io.TFRecordWriter(str(path)) as writer:
        for log in logs:
            alter(log.predict_log)
            writer.write(log.SerializeToString())
    return target


def test_an_export_answers_what_the_model_answered(model: Path) -> None:
    found = check_saved_model(model)
    assert found.folder == model / "1"
    assert (found.signatures, found.requests) == (["generate", "serving_default"], 4)
    assert found.largest_difference < 1e-6
    assert {name: list(sizes) for name, sizes in found.latency_ms.items()} == {
        name: ["batch 1", "batch 8", "batch 32"] for name in ("serving_default", "generate")
    }
    assert all(0 < each["p50"] <= each["p99"] for sizes in found.latency_ms.values() for each in sizes.values())


def test_another_answer_is_told(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def alter(log: Any) -> None:
        if "share" in log.response.outputs:
            share = tf.make_ndarray(log.response.outputs["share"]) * 1.01
            log.response.outputs["share"].CopyFrom(tf.make_tensor_proto(share))

    version = altered(model / "1", tmp_path / "1", alter)
    with pytest.raises(
        RuntimeError, match=r"differ by 0\.0\d+ from those of the model when it was exported, more than 0"
    ):
        check_saved_model(version)

    def fail(*_: Any, **__: Any) -> Any:
        return type("Done", (), {"returncode": 1, "stderr": "first\nOSError: no such operation\n", "stdout": ""})

    monkeypatch.setattr("subprocess.run", fail)
    with pytest.raises(RuntimeError, match="cannot be loaded: OSError: no such operation"):
        check_saved_model(model)

    def problem(*_: Any, **__: Any) -> Any:
        found = {"problems": ["the graph asks for XLA"], "largest_difference": 0.0}
        return type("Done", (), {"returncode": 0, "stderr": "", "stdout": json.dumps(found)})

    monkeypatch.setattr("subprocess.run", problem)
    with pytest.raises(RuntimeError, match="would not be served as exported: the graph asks for XLA"):
        check_saved_model(model)


def test_which_version_is_checked(model: Path, tmp_path: Path) -> None:
    assert exported_version(model) == exported_version(model / "1") == model / "1"
    (tmp_path / "3").mkdir()
    (tmp_path / "12").mkdir()
    assert exported_version(tmp_path) == tmp_path / "12"
    with pytest.raises(InputError, match="is no exported model and has no version of one"):
        exported_version(tmp_path / "3")


def test_an_export_without_requests_or_answers_is_refused(model: Path, tmp_path: Path) -> None:
    version = altered(model / "1", tmp_path / "1", lambda log: log.response.Clear())
    with pytest.raises(InputError, match="has no request with the model's answer"):
        recorded_requests(version)
    path = version / "assets.extra" / WARM_UP
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(InputError, match="is damaged"):
        recorded_requests(version)
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(b"no PredictionLog")
    with pytest.raises(InputError, match="is damaged"):
        recorded_requests(version)
    path.unlink()
    with pytest.raises(InputError, match="brings no requests to check it with"):
        recorded_requests(version)


def test_the_notes(model: Path, tmp_path: Path) -> None:
    assert read_notes(model / "1")["length"] == 24
    assert read_notes(tmp_path) == {}
    (tmp_path / "assets.extra").mkdir()
    (tmp_path / "assets.extra" / "kpt.json").write_text("[]")
    assert read_notes(tmp_path) == {}
    (tmp_path / "assets.extra" / "kpt.json").write_text("[" * 200_000)
    assert read_notes(tmp_path) == {}
