from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

import kpt
from kpt.data import encode_texts
from kpt.export import token_models
from kpt.export.token_functions import in_float32
from kpt.export.token_models import export_token_model, run_file
from kpt.layers import pool_sequence
from kpt.objectives import CausalLM, MaskedLM
from kpt.tasks import Classifier, MultiTask, Regressor
from tests.batches import tiny_decoder, tiny_encoder
from tests.export.causal_reference import byte_pairs
from tests.export.reference import HOSTILE, tiny_tokenizer
from tests.numbers import array, randomize

ROOT = Path(__file__).parent.parent.parent
LENGTH = 24
WORDPIECE = tiny_tokenizer()
FILES = {"onnx": "model.onnx", "openvino": "openvino_model.xml"}


def encoder(**options: Any) -> Any:
    return tiny_encoder(vocabulary_size=60, maximum_length=LENGTH, depth=1, **options)


def asked(folder: Path, file: str, texts: list[Any], names: list[str]) -> dict[str, np.ndarray]:
    """What one gets who has the folder, `tokenizers` and the library of the file."""
    encodings = Tokenizer.from_file(str(folder / "tokenizer.json")).encode_batch(texts)
    found = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
    inputs = {name: np.array([getattr(each, found[name]) for each in encodings], np.int64) for name in names}
    return run_file(folder / file, inputs)


@pytest.mark.parametrize("format", FILES)
def test_an_encoder_answers_text_from_its_folder_alone(format: str, tmp_path: Path) -> None:
    model = kpt.Pretrainer(encoder(), [MaskedLM()])
    randomize(model)
    folder = export_token_model(model, WORDPIECE, tmp_path / "out", format)
    notes = json.loads((folder / "kpt.json").read_text())
    assert sorted(notes["outputs"]) == ["last_hidden_state", "pooler_output", "sentence_embedding"]
    names = ["input_ids", "attention_mask", "token_type_ids"]
    assert notes["inputs"] == names and notes["length"] == LENGTH
    found = asked(folder, FILES[format], HOSTILE, names)
    batch = encode_texts(WORDPIECE, HOSTILE, length=LENGTH).batch(np.arange(len(HOSTILE)), LENGTH)
    outputs = {name: array(value) for name, value in model.backbone(batch).items()}
    seen = batch["padding_mask"]
    assert np.abs(outputs["pooled"]).max() > 0.1
    np.testing.assert_allclose(found["last_hidden_state"][seen], outputs["sequence"][seen], atol=1e-4)
    np.testing.assert_allclose(found["pooler_output"], outputs["pooled"], atol=1e-4)
    mean = array(pool_sequence(outputs["sequence"], seen, "mean"))
    np.testing.assert_allclose(found["sentence_embedding"], mean, atol=1e-4)
    alone = asked(folder, FILES[format], [HOSTILE[2]], names)  # another number of texts, and of tokens
    np.testing.assert_allclose(alone["sentence_embedding"][0], mean[2], atol=1e-4)


def test_a_classifier_of_pairs_in_lower_precision(tmp_path: Path) -> None:
    model = Classifier(encoder(dtype="mixed_bfloat16"), ["no", "yes"], tokenizer=WORDPIECE, length=16)
    randomize(model, scale=0.7)
    folder = export_token_model(model, WORDPIECE, tmp_path / "out", "onnx")
    notes = json.loads((folder / "kpt.json").read_text())
    assert notes["labels"] == ["no", "yes"] and sorted(notes["outputs"]) == ["logits", "probabilities"]
    pairs = [("the cat", "sat on the mat ."), ("low", "the lowest"), ("the " * 30, "cat"), ("", "low")]
    found = asked(folder, FILES["onnx"], pairs, notes["inputs"])["probabilities"]
    precise = in_float32(model)
    precise.tokenizer = WORDPIECE
    np.testing.assert_allclose(found, precise.probabilities(pairs), atol=1e-4)
    assert np.ptp(found[:, 0]) > 0.005


def test_a_decoder_tells_numbers(tmp_path: Path) -> None:
    tokenizer = byte_pairs()
    decoder = tiny_decoder(vocabulary_size=tokenizer.vocabulary.size, maximum_length=LENGTH, positions="rotary")
    model = Regressor(decoder, 2.0, 3.0, tokenizer=tokenizer, pooling="last", windows=2)
    randomize(model)
    folder = export_token_model(model, tokenizer, tmp_path / "out", "openvino")
    texts = ["the cat", "", "naïve <|endoftext|>", "other words"]
    found = asked(folder, FILES["openvino"], texts, ["input_ids", "attention_mask"])
    np.testing.assert_allclose(found["numbers"], model.predict(texts), atol=1e-4)


def test_what_cannot_be_exported_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(message: str, model: Any, format: str = "openvino", **options: Any) -> None:
        with pytest.raises(kpt.InputError, match=message):
            export_token_model(model, WORDPIECE, tmp_path / "out", format, **options)

    decoder = tiny_decoder(vocabulary_size=60, maximum_length=LENGTH)
    refused("a model that generates has no form of token ids", kpt.Pretrainer(decoder, [CausalLM()]))
    refused("the model has several tasks, and such a folder has one", MultiTask({"stars": Regressor(encoder())}))
    refused("format is 'onyx'; choose one of onnx, openvino", encoder(), "onyx")
    refused("length is 25; give at least 5 and at most the model's 24", encoder(), length=25)
    refused("the tokenizer has 60 pieces and the model 23", tiny_encoder())
    monkeypatch.setattr(token_models, "find_spec", lambda name: None if name == "tf2onnx" else name)
    refused(r"--format onnx needs tf2onnx; run: pip install 'kpt\[onnx\]'", encoder(), "onnx")
    monkeypatch.setattr(token_models, "_write_openvino", lambda *_: ["numbers"])
    monkeypatch.setattr(token_models, "run_file", lambda *_: {"numbers": np.ones(3)})
    with pytest.raises(RuntimeError, match=r"gives outputs that differ by .* from the model's"):
        export_token_model(Regressor(encoder(), deviation=9.0), WORDPIECE, tmp_path / "out", "openvino")
    assert not any(tmp_path.iterdir())


def test_a_model_on_another_backend_is_exported_by_a_process_on_tensorflow(tmp_path: Path) -> None:
    code = """
import sys, json, numpy as np
from kpt.export import export_token_model
from tests.export.test_token_models import *

model = Regressor(encoder(), tokenizer=WORDPIECE)
randomize(model)
export_token_model(model, WORDPIECE, sys.argv[1], "openvino")
print(json.dumps(model.predict(["the cat", "low"]).tolist()))
"""
    environment = {**os.environ, "KERAS_BACKEND": "torch", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, str(tmp_path / "out")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    names = ["input_ids", "attention_mask", "token_type_ids"]
    found = asked(tmp_path / "out", FILES["openvino"], ["the cat", "low"], names)["numbers"]
    np.testing.assert_allclose(found, json.loads(done.stdout.splitlines()[-1]), atol=1e-4)
