from __future__ import annotations

import subprocess
import sys

import pytest

import kpt
from kpt.errors import InputError, Terminated


def test_it_is_a_value_error_and_public() -> None:
    assert kpt.InputError is InputError
    with pytest.raises(ValueError, match="steps is 0"):
        raise InputError("steps is 0; give a positive number of steps")


def test_a_request_to_end_has_the_status_of_its_signal() -> None:
    error = Terminated("go on with --resume")
    assert isinstance(error, SystemExit) and not isinstance(error, Exception)
    assert (error.code, str(error)) == (143, "go on with --resume")
    code = "from kpt.errors import Terminated; raise Terminated('a word')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (143, "")
