from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from kpt.serving.servable import Servable, warm_up_logs
from kpt.serving.status import ServingError


@pytest.fixture(scope="module")
def servable(exported: Path) -> Servable:
    return Servable(exported / "small" / "1")


def run(servable: Servable, texts: list[object], output: str = "size") -> list[object]:
    signature = servable.signatures["serving_default"]
    feeds = {signature.inputs["texts"].name: np.array(texts, object)}
    return servable.run(feeds, [signature.outputs[output].name])[0].tolist()


def test_it_computes_by_the_names_of_tensors(servable: Servable) -> None:
    assert run(servable, [b"abc", b""]) == [3, 0]
    assert run(servable, [b"\xff\x00"], "same_bytes") == [b"\xff\x00"]
    assert run(servable, [], "version") == []


def test_another_shape_than_the_signatures_is_refused(servable: Servable) -> None:
    with pytest.raises(ServingError, match=r"Cannot feed value of shape \(1, 1\)") as raised:
        run(servable, [[b"a"]])
    assert raised.value.code == tf.errors.INVALID_ARGUMENT


def test_it_is_closed_when_nobody_holds_it(exported: Path) -> None:
    servable = Servable(exported / "small" / "1")
    closing = threading.Thread(target=servable.close)
    with servable, servable:
        closing.start()
        with servable:
            assert run(servable, [b"ab"]) == [2]
        assert closing.is_alive()
        assert run(servable, [b"ab"]) == [2]
    closing.join(timeout=30)
    assert not closing.is_alive()
    with pytest.raises(RuntimeError, match="closed"):
        run(servable, [b"ab"])


def test_what_is_no_saved_model_is_refused(tmp_path: Path, exported: Path) -> None:
    with pytest.raises(OSError, match="SavedModel file does not exist"):
        Servable(tmp_path)
    damaged = tmp_path / "1"
    shutil.copytree(exported / "small" / "1", damaged)
    (damaged / "variables" / "variables.index").write_bytes(b"no table")
    with pytest.raises((tf.errors.OpError, ValueError)):
        Servable(damaged)


def test_a_version_without_requests_has_none_to_warm_up(exported: Path) -> None:
    assert warm_up_logs(exported / "small" / "1") == []
