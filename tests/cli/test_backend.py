from __future__ import annotations

import os
import subprocess
import sys

import pytest

from kpt.cli.backend import NOTE, _without_notes, load_backend
from kpt.errors import InputError


def test_the_backend_of_this_session_is_loaded() -> None:
    assert load_backend() == os.environ["KERAS_BACKEND"]


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_a_backend_loads_without_a_note(backend: str) -> None:
    code = f"from kpt.cli.backend import load_backend; print(load_backend({backend!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (f"{backend}\n", "")


def test_what_is_no_note_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ImportError), _without_notes():
        os.write(2, b"I0000 00:00:17.4 1 port.cc:153] oneDNN custom operations are on.\n")
        os.write(2, b"E0000 00:00:17.4 1 port.cc:153] out of memory\n")
        raise ImportError
    assert capfd.readouterr().err == "E0000 00:00:17.4 1 port.cc:153] out of memory\n"


def test_notes() -> None:
    assert NOTE.match(b"W0000 00:00:17.4 1 gpu_device.cc:2342] Cannot dlopen some GPU libraries.\n")
    assert NOTE.match(b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n")
    assert not NOTE.match(b"UserWarning: this matters\n")


def test_an_unknown_backend_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    with pytest.raises(InputError, match="there is no backend 'theano'; set --backend or KERAS_BACKEND to tensorflow"):
        load_backend()


def test_a_missing_backend_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setattr("kpt.cli.backend.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"the backend jax is not installed; run: pip install 'kpt\[jax\]'"):
        load_backend()
