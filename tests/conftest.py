"""What every test session shares: the backend of the session, and which tests run on all of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "agg")
# Tests compile far longer than they compute.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")

TESTS = Path(__file__).parent
ON_EVERY_BACKEND = (
    "layers",
    "models",
    "recording",
    "objectives",
    "tasks",
    "generation",
    "interop/test_assignment.py",
    "interop/test_hugging_face.py",
    "interop/test_keras_hub.py",
    "interop/test_tasks.py",
    "training",
    "data/test_batches.py",
    "data/test_labelled_batches.py",
    "data/test_masked_records.py",
    "evaluation/test_attention_maps.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what the Makefile repeats on JAX and on PyTorch, so that no file can forget to say so."""
    for item in items:
        name = item.path.relative_to(TESTS).as_posix()
        if name.startswith(ON_EVERY_BACKEND):
            item.add_marker(pytest.mark.backends)


@pytest.fixture(autouse=True)
def _seeds() -> None:
    """Draw the same initial weights in every run, whichever tests ran before."""
    import keras

    keras.utils.set_random_seed(0)


def pytest_report_header() -> str:
    return f"keras backend: {os.environ['KERAS_BACKEND']}"
