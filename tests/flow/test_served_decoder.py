"""A decoder that writes text in a process that has neither kpt nor Keras."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import kpt
from kpt.generation import score, zero_shot
from tests.export.causal_reference import LENGTH, byte_pairs, causal_pretrainer
from tests.flow.test_served_model import FLOW, ROOT, run_without_kpt

PROMPTS = ["the cat", "", "l", "naïve café"]
GREEDY = {"max_new_tokens": 8, "temperature": 0.0, "top_k": 0, "top_p": 1.0, "seed": 0}
LABELS = ["cat", "mat"]


def test_a_process_without_kpt_and_keras_writes_the_models_own_text(tmp_path: Path) -> None:
    tokenizer = byte_pairs()
    model = causal_pretrainer(tokenizer.vocabulary.size)
    folder = kpt.export.saved_model(model, tokenizer, tmp_path / "gpt", length=LENGTH)
    texts = [prompt for prompt in PROMPTS if prompt]
    inputs = {
        "serving_default": {"prompts": PROMPTS, **GREEDY},
        "score": {"texts": texts},
        "zero_shot": {"texts": texts, "labels": LABELS, "template": "{text} {label}"},
    }
    answer = json.loads(run_without_kpt(tmp_path, str(FLOW / "serve_decoder.py"), str(folder), json.dumps(inputs)))
    hidden = "tensorflow_text"  # which the script that hides Keras loads
    assert set(answer["modules"]) <= {hidden}
    written = kpt.generate(model, tokenizer, PROMPTS, max_new_tokens=8)
    assert len(set(written)) > 1
    scores = score(model, tokenizer, texts)
    chances = zero_shot(model, tokenizer, texts, LABELS, "{text} {label}")
    for loaded in ("function", "session"):
        assert answer[loaded]["serving_default"]["texts"] == written
        assert answer[loaded]["score"]["token_count"] == np.asarray(scores.token_count).tolist()
        assert answer[loaded]["score"]["log_likelihood"] == pytest.approx(
            np.asarray(scores.log_likelihood).tolist(), rel=1e-4
        )
        np.testing.assert_allclose(answer[loaded]["zero_shot"]["probabilities"], np.asarray(chances), atol=1e-4)
    assert described() == {name: {*values, *answer["function"][name]} for name, values in inputs.items()}


def described() -> dict[str, set[str]]:
    """The names of each signature of a decoder on the page of exported models."""
    page = (ROOT / "saved_models" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", page.split("Of a decoder:")[1].split("Of a classifier")[0], re.M)
    return {name: set(re.findall(r"`(\w+)`", row)) for name, row in rows}
