from __future__ import annotations

import json
import os
import signal
import socket
import threading
import urllib.request
from pathlib import Path

import pytest

import kpt.cli.serve
from kpt.cli.main import main
from kpt.cli.output import Output
from tests.serving.small_model import small_model


@pytest.fixture(autouse=True)
def on_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")


def test_it_serves_until_it_is_asked_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "small").mkdir()
    small_model(tmp_path / "small")
    lines: list[str] = []
    asked: list[str] = []

    def ask(address: str) -> None:
        try:
            with urllib.request.urlopen(f"{address}/small", timeout=60) as response:
                asked.append(json.load(response)["model_version_status"][0]["state"])
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    def line(self: Output, text: str) -> None:
        lines.append(text)
        if text.startswith("REST on "):
            threading.Thread(target=ask, args=(text.removeprefix("REST on ").partition(",")[0],)).start()

    monkeypatch.setattr(Output, "line", line)
    before = signal.getsignal(signal.SIGTERM)
    assert main(["serve", str(tmp_path), "--port", "0", "--rest-port", "0", "--json"]) == 0
    assert signal.getsignal(signal.SIGTERM) is before
    assert asked == ["AVAILABLE"]
    assert json.loads(capfd.readouterr().out) == {"models": ["small"]}
    assert lines[:2] == ["loading small", "small version 1: available"]
    assert lines[2].startswith("REST on http://127.0.0.1:")
    assert lines[3:] == [
        "a development server: TensorFlow Serving is for production; Ctrl-C ends it",
        "ending",
        "small version 1: unloaded",
    ]


def test_wrong_calls(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", str(tmp_path / "nowhere")]) == 2
    assert "there is no folder" in capfd.readouterr().err
    assert main(["serve", str(tmp_path), "--port", "0"]) == 2
    assert "has no model" in capfd.readouterr().err
    assert main(["serve", str(tmp_path), "--port", "70000"]) == 2
    assert "--port is 70000; give a port from 1 to 65535" in capfd.readouterr().err
    (tmp_path / "small" / "1").mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["serve", str(tmp_path), "--rest-port", str(taken.getsockname()[1])]) == 2
    assert "choose another --rest-port" in capfd.readouterr().err


def test_what_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(kpt.cli.serve, "find_spec", lambda name: None if name == "uvicorn" else True)
    assert main(["serve", str(tmp_path)]) == 2
    assert "kpt serve needs uvicorn, which is not installed; run: pip install 'kpt[serving]'" in capfd.readouterr().err
