"""Names that load on first use."""

from __future__ import annotations

import subprocess
import sys

import pytest

import kpt
from kpt.lazy import lazy_names


def test_a_name_loads_its_module_and_stays() -> None:
    load, names = lazy_names("kpt", {"InputError": "kpt.errors", "errors": "kpt.errors"})
    assert load("InputError") is kpt.errors.InputError
    assert load("errors").__name__ == "kpt.errors"
    assert {"InputError", "errors"} <= set(names())


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'kpt' has no attribute 'Encodre'"):
        _ = kpt.Encodre


def test_every_public_name_of_the_lazy_packages_loads() -> None:
    code = (
        "import importlib\n"
        "for package in ('kpt', 'kpt.text', 'kpt.data', 'kpt.training'):\n"
        "    module = importlib.import_module(package)\n"
        "    for name in module.__all__:\n"
        "        assert getattr(module, name) is not None\n"
        "        assert name in dir(module)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
