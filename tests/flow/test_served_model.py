"""From raw text to a model that answers in a process that has neither kpt nor Keras."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import keras
import pytest

import kpt
from kpt.data import Batches, SentencePairs, prepare
from kpt.models import encoder_config
from kpt.objectives import MaskedLM, NextSentence
from tests.export.reference import HOSTILE, assert_served

FLOW = Path(__file__).parent
ROOT = FLOW.parent.parent
LENGTH = 32

STORIES = [
    f"The {animal} sat on the {place}. It looked at the {thing}. Then the {animal} took the {thing} home."
    for animal in ("cat", "dog", "horse", "bird")
    for place in ("mat", "roof", "table")
    for thing in ("book", "ball", "apple")
]


class Served(NamedTuple):
    pretrainer: Any
    tokenizer: kpt.WordPieceTokenizer
    folder: Path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    folder = tmp_path_factory.mktemp("flow")
    keras.utils.set_random_seed(0)
    tokenizer = kpt.WordPieceTokenizer.train(STORIES, 80)
    store = prepare(STORIES, tokenizer, folder / "store")
    config = encoder_config("tiny") | {"width": 32, "heads": 2, "maximum_length": 64, "dropout": 0.1}
    pretrainer = kpt.Pretrainer(kpt.Encoder(store.vocabulary.size, **config), [MaskedLM(), NextSentence()])
    pretrainer.compile(optimizer=keras.optimizers.AdamW(3e-3))
    examples = SentencePairs(store, length=LENGTH)
    pretrainer.fit(Batches(examples, pretrainer.objectives, batch_size=16, steps=30), shuffle=False, verbose=0)
    kpt.export.saved_model(pretrainer, tokenizer, folder / "saved_models" / "bert", length=LENGTH)
    return Served(pretrainer, tokenizer, folder)


def run_without_kpt(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(FLOW / "without_keras"), "TF_CPP_MIN_LOG_LEVEL": "2"}
    environment.pop("KERAS_BACKEND", None)
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_hidden_modules_cannot_be_imported(tmp_path: Path) -> None:
    for module in ("kpt", "keras"):
        code = f"try:\n import {module}\nexcept ModuleNotFoundError as error:\n print(error)"
        assert run_without_kpt(tmp_path, "-c", code) == f"No module named '{module}'\n"


def test_a_process_without_kpt_and_keras_gets_the_models_own_predictions(served: Served) -> None:
    texts = [*HOSTILE, *STORIES[:2], "The [MASK] sat on the [MASK]. It looked at the ball."]
    path = str(served.folder / "saved_models" / "bert" / "1")
    answer = json.loads(run_without_kpt(served.folder, str(FLOW / "serve.py"), path, json.dumps(texts)))
    assert answer["modules"] == []
    for loaded in ("function", "session"):
        assert sorted(answer[loaded]) == ["fill_mask", "next_sentence", "serving_default"]
        assert_served(answer[loaded], served.pretrainer, served.tokenizer, texts, LENGTH)


def test_the_export_stands_its_check(served: Served) -> None:
    found = kpt.export.check_saved_model(served.folder / "saved_models" / "bert")
    assert found.signatures == ["fill_mask", "next_sentence", "serving_default"]
    assert found.largest_difference < 1e-5


def test_the_python_of_the_page_runs(served: Served) -> None:
    page = (ROOT / "saved_models" / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall("```python\n(.*?)```", page, flags=re.DOTALL)
    lines = run_without_kpt(served.folder, "-c", example).splitlines()
    assert len(lines) == 5
    assert lines[0].split()[0] in served.tokenizer.vocabulary.tokens
    assert float(lines[0].split()[1]) >= float(lines[4].split()[1]) > 0


def test_the_page_describes_every_signature(served: Served) -> None:
    import tensorflow as tf

    page = (ROOT / "saved_models" / "README.md").read_text(encoding="utf-8").split("Of a decoder:")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", page, flags=re.MULTILINE))
    signatures = tf.saved_model.load(str(served.folder / "saved_models" / "bert" / "1")).signatures
    assert set(rows) == set(signatures)
    for name, row in rows.items():
        names = {*signatures[name].structured_input_signature[1], *signatures[name].structured_outputs}
        assert names <= set(re.findall(r"`(\w+)`", row)), name


def test_the_server_is_told_where_the_model_is() -> None:
    config = (ROOT / "saved_models" / "models.config").read_text(encoding="utf-8")
    assert re.findall(r'^\s+(name|base_path): "(.*)"$', config, flags=re.MULTILINE) == [
        ("name", "bert"),
        ("base_path", "/models/bert"),
    ]
    assert [config.count(bracket) for bracket in "{}"] == [2, 2]
