from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text  # noqa: F401 - registers the operations of the tokenizer

import kpt
from kpt.export.causal_signatures import generate
from kpt.export.tensorflow_process import export_in_process, read_model, write_model
from kpt.generation.prompts import decoder_of
from kpt.text import load_tokenizer
from tests.export.causal_reference import LENGTH, PROMPTS, ask
from tests.export.reference import as_text, tiny_pretrainer, tiny_tokenizer

ROOT = Path(__file__).parent.parent.parent
TEXTS = ["the cat [MASK] on [MASK]", "low lower"]

EXPORT = """
import json, sys
from pathlib import Path
import kpt
from kpt.export.tensorflow_process import write_model
from tests.export.causal_reference import *
from tests.export.reference import *

written = {}
for kind, pieces in tokenizers().items():
    gpt = causal_pretrainer(
        pieces.vocabulary.size, depth=1, positions="rotary", tied=False, normalization="rms_norm", gated=True
    )
    written[kind] = kpt.generate(gpt, pieces, PROMPTS, max_new_tokens=8)
    handed = Path(sys.argv[1] + "-" + kind)
    handed.mkdir()
    write_model(gpt, handed)
    pieces.save(handed / "tokenizer")
    if kind == sys.argv[3]:
        decoder = kpt.export.saved_model(gpt, pieces, sys.argv[1] + "-gpt")
tokenizer, pretrainer = tiny_tokenizer(), tiny_pretrainer()
pretrainer.compile(optimizer="adam")
path = kpt.export.saved_model(pretrainer, tokenizer, sys.argv[1], top_k=2)
try:
    kpt.export.saved_model(pretrainer, tokenizer, sys.argv[1], version=1)
except kpt.InputError as error:
    refusal = str(error)
texts = json.loads(sys.argv[2])
own = predictions(pretrainer, tokenizer, texts, texts[::-1], 24)
print(json.dumps({
    "backend": keras.backend.backend(),
    "path": str(path),
    "decoder": str(decoder),
    "written": written,
    "refusal": refusal,
    "pooled": own.pooled.tolist(),
    "mean": own.mean.tolist(),
    "guesses": np.argsort(-own.guesses[0])[:, :2].tolist(),
    "probability": own.probability.tolist(),
}))
"""


@pytest.mark.parametrize(("backend", "kind"), [("jax", "sentencepiece"), ("torch", "characters")])
def test_a_model_on_another_backend_is_exported_by_a_process_on_tensorflow(
    backend: str, kind: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", EXPORT, str(tmp_path / "bert"), json.dumps(TEXTS), kind],
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    expected = json.loads(done.stdout)
    assert expected["backend"] == backend
    assert expected["path"] == str(tmp_path / "bert" / "1")
    assert "exists already" in expected["refusal"]
    assert [entry.name for entry in (tmp_path / "bert").iterdir()] == ["1"]

    signatures = tf.saved_model.load(expected["path"]).signatures
    texts = tf.constant(TEXTS)
    embedded = signatures["serving_default"](texts=texts)
    np.testing.assert_allclose(embedded["pooled"], expected["pooled"], atol=1e-5)
    np.testing.assert_allclose(embedded["mean"], expected["mean"], atol=1e-5)
    filled = signatures["fill_mask"](texts=texts)
    assert filled["token_ids"].numpy()[0].tolist() == expected["guesses"]
    assert as_text(filled["tokens"].numpy()[1]) == [["", ""], ["", ""]]
    pair = signatures["next_sentence"](first=texts, second=texts[::-1])
    np.testing.assert_allclose(pair["probability"], expected["probability"], atol=1e-5)

    written = expected["written"]
    assert list(written) == ["bytes", "sentencepiece", "characters"]
    assert ask(tf.saved_model.load(expected["decoder"]).signatures["serving_default"], PROMPTS) == written[kind]
    for each, texts in written.items():
        assert len(set(texts)) > 3
        if each == kind:
            continue
        handed = tmp_path / f"bert-{each}"
        gpt, pieces = read_model(handed), load_tokenizer(handed / "tokenizer")
        # The others as such a process gets and traces them, without the time that it takes to start.
        function = generate(decoder_of(gpt), pieces.in_graph(), pieces.vocabulary.roles["end"], LENGTH)
        assert ask(function, PROMPTS) == texts


def test_a_model_is_handed_over_whole_and_without_its_optimizer(tmp_path: Path) -> None:
    pretrainer = tiny_pretrainer()
    pretrainer.compile(optimizer="adam")
    write_model(pretrainer, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "weights.npz"]
    again = read_model(tmp_path)
    assert not again.compiled
    assert [weight.path for weight in again.weights] == [weight.path for weight in pretrainer.weights]
    for weight, expected in zip(again.weights, pretrainer.weights, strict=True):
        np.testing.assert_array_equal(weight, expected)


def test_a_class_that_the_other_process_lacks_is_refused_with_the_remedy(tmp_path: Path) -> None:
    class Homemade(kpt.Pretrainer):  # not registered
        pass

    homemade = Homemade(kpt.Encoder(vocabulary_size=60, width=8, depth=1, heads=1), tiny_pretrainer().objectives)
    write_model(homemade, tmp_path)
    with pytest.raises(kpt.InputError, match="load and export it in a process with KERAS_BACKEND=tensorflow"):
        read_model(tmp_path)


def test_code_in_the_configuration_is_not_run(tmp_path: Path) -> None:
    layer = keras.layers.Lambda(lambda x: x, output_shape=(1,))
    (tmp_path / "model.json").write_text(json.dumps(keras.saving.serialize_keras_object(layer)))
    with pytest.raises(kpt.InputError, match="cannot be made anew"):
        read_model(tmp_path)


def test_what_went_wrong_there_is_said_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(returncode: int, stderr: str, refused: str | None = None) -> None:
        def replacement(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
            if refused:
                Path(command[-1], "refused").write_text(refused)
            return subprocess.CompletedProcess(command, returncode, "", stderr)

        monkeypatch.setattr("kpt.export.tensorflow_process.subprocess.run", replacement)
        export_in_process(tiny_pretrainer(), tiny_tokenizer(), tmp_path / "1", "saved_model", {"length": 24})

    with pytest.raises(kpt.InputError, match="choose another folder"):
        run(2, "", "choose another folder")
    with pytest.raises(RuntimeError, match="failed: MemoryError: no room"):
        run(1, "Traceback\nMemoryError: no room\n")
    with pytest.raises(RuntimeError, match="failed: -9"):
        run(-9, "")
