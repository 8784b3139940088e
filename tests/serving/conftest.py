"""The models that the tests of the server ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kpt.serving.answers import Answers
from kpt.serving.model_versions import ModelVersions
from kpt.serving.models_config import ModelSettings
from kpt.serving.server import load_warm
from tests.serving.small_model import small_model


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the model `small`, version 1."""
    root = tmp_path_factory.mktemp("saved_models")
    (root / "small").mkdir()
    small_model(root / "small")
    return root


@pytest.fixture(scope="session")
def answers(exported: Path) -> Iterator[Any]:
    """The answers of a server with the model `small`, of which version 1 has the label `stable`."""
    settings = ModelSettings("small", exported / "small", labels={"stable": 1})
    model = ModelVersions(settings, exported, load_warm, lambda line: None)
    model.poll()
    yield Answers({"small": model})
    model.close()
