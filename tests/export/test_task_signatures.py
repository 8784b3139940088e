from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

import kpt
from kpt.export.task_signatures import ServedTask, set_method_names, task_notes
from kpt.tasks import Classifier, Regressor
from tests.batches import tiny_decoder, tiny_encoder
from tests.export.causal_reference import byte_pairs
from tests.export.reference import HOSTILE, tiny_tokenizer
from tests.numbers import randomize

LENGTH = 24
LABELS = ("no", "perhaps", "yes")
WORDPIECE = tiny_tokenizer()
ENCODER = {"vocabulary_size": 60, "maximum_length": LENGTH}
PAIRS = list(zip(HOSTILE, HOSTILE[::-1], strict=True))


def randomized(model: Any) -> Any:
    """The model with weights that are large and different, and a bias by which each class is told of some text."""
    randomize(model)
    if model.tokenizer.fingerprint == WORDPIECE.fingerprint:
        bias = model.head.bias
        bias.assign(bias - model.predict(HOSTILE).mean(axis=0))
    return model


def test_long_texts_are_served_in_windows() -> None:
    texts = [*HOSTILE, "the cat sat on the mat . " * 9]
    encoder = tiny_encoder(**ENCODER)
    model = randomized(Classifier(encoder, LABELS, tokenizer=WORDPIECE, length=8, windows=4))
    served = ServedTask(model, WORDPIECE, 8)
    found = ask(served, "serving_default", texts=texts)["probabilities"]
    np.testing.assert_allclose(found, model.probabilities(texts), atol=1e-5)


def example(**texts: str) -> bytes:
    feature = {n: tf.train.Feature(bytes_list=tf.train.BytesList(value=[t.encode()])) for n, t in texts.items()}
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def ask(served: ServedTask, name: str, **inputs: Sequence[Any]) -> dict[str, Any]:
    outputs = served.functions[name](**{key: tf.constant(value, tf.string) for key, value in inputs.items()})
    return {key: value.numpy() for key, value in outputs.items()}


def test_a_classifier_serves_what_it_predicts() -> None:
    model = randomized(Classifier(tiny_encoder(**ENCODER), LABELS, tokenizer=WORDPIECE, pooling="pooled"))
    served = ServedTask(model, WORDPIECE, LENGTH)
    assert list(served.functions) == ["serving_default", "classify", "pairs", "classify_pairs"]
    first, second = zip(*PAIRS, strict=True)
    texts = {
        ("serving_default", "classify"): (HOSTILE, {"texts": HOSTILE}, [example(text=text) for text in HOSTILE]),
        ("pairs", "classify_pairs"): (
            PAIRS,
            {"first": first, "second": second},
            [example(first=one, second=other) for one, other in PAIRS],
        ),
    }
    for (name, method), (rows, inputs, examples) in texts.items():
        wanted = model.probabilities(rows)
        told = ask(served, name, **inputs)
        np.testing.assert_allclose(told["probabilities"], wanted, atol=1e-5)
        assert told["classes"].astype(str).tolist() == [list(LABELS)] * len(rows)
        assert told["label"].astype(str).tolist() == model.classify(rows)
        assert len(set(told["label"])) > 1
        scored = ask(served, method, inputs=examples)
        assert sorted(scored) == ["classes", "scores"]
        np.testing.assert_allclose(scored["scores"], wanted, atol=1e-5)
        np.testing.assert_array_equal(scored["classes"], told["classes"])
    assert {key: value.shape for key, value in ask(served, "serving_default", texts=[]).items()} == {
        "classes": (0, 3),
        "probabilities": (0, 3),
        "label": (0,),
    }
    with pytest.raises(tf.errors.InvalidArgumentError, match="text"):
        ask(served, "classify", inputs=[example(words="the cat")])


def test_several_labels_of_a_text() -> None:
    model = Classifier(
        tiny_encoder(**ENCODER), LABELS, multi_label=True, tokenizer=WORDPIECE, pooling="distinct", document_width=4
    )
    served = ServedTask(randomized(model), WORDPIECE, LENGTH)
    told = ask(served, "serving_default", texts=HOSTILE)
    assert sorted(told) == ["classes", "probabilities"]
    np.testing.assert_allclose(told["probabilities"], model.probabilities(HOSTILE), atol=1e-5)
    assert task_notes(model) == {
        "kind": "classifier",
        "pooling": "distinct",
        "labels": list(LABELS),
        "multi_label": True,
    }


def test_a_decoder_tells_a_number() -> None:
    tokenizer = byte_pairs()
    decoder = tiny_decoder(vocabulary_size=tokenizer.vocabulary.size, maximum_length=LENGTH)
    model = Regressor(decoder, mean=2.0, deviation=3.0, tokenizer=tokenizer, pooling="last")
    served = ServedTask(randomized(model), tokenizer, LENGTH)
    assert list(served.functions) == ["serving_default", "regress", "pairs", "regress_pairs"]
    wanted = model.predict(HOSTILE)
    assert np.std(wanted) > 0.1
    np.testing.assert_allclose(ask(served, "serving_default", texts=HOSTILE)["numbers"], wanted, atol=1e-4)
    scored = ask(served, "regress", inputs=[example(text=text) for text in HOSTILE])
    assert list(scored) == ["outputs"]
    np.testing.assert_allclose(scored["outputs"], wanted, atol=1e-4)
    pairs = ask(served, "pairs", first=HOSTILE, second=HOSTILE[::-1])["numbers"]
    np.testing.assert_allclose(pairs, model.predict(PAIRS), atol=1e-4)
    assert task_notes(model) == {"kind": "regressor", "pooling": "last"}


def test_a_tokenizer_without_marks_and_a_model_in_lower_precision() -> None:
    tokenizer = kpt.CharacterTokenizer.train(["the cat"])
    assert not set(tokenizer.vocabulary.roles) & {"cls", "sep", "end"}
    encoder = tiny_encoder(vocabulary_size=tokenizer.vocabulary.size, dtype="mixed_bfloat16")
    model = randomized(Classifier(encoder, LABELS, tokenizer=tokenizer))
    served = ServedTask(model, tokenizer, 9)
    assert list(served.functions) == ["serving_default", "classify"]
    texts = ["the cat", "a", "the cat the cat"]
    told = ask(served, "serving_default", texts=texts)["probabilities"]
    assert told.dtype == np.float32
    np.testing.assert_allclose(told, model.probabilities(texts), atol=0.02)
    with pytest.raises(tf.errors.InvalidArgumentError, match="a text has no token"):
        ask(served, "serving_default", texts=["a", ""])


def test_the_server_is_told_which_methods_they_answer(tmp_path: Path) -> None:
    module = tf.Module()
    module.function = tf.function(lambda x: {"y": x}, input_signature=[tf.TensorSpec([None], tf.string)])
    tf.saved_model.save(module, str(tmp_path), signatures={"a": module.function, "b": module.function})
    set_method_names(tmp_path, {"b": "tensorflow/serving/classify"})
    saved = saved_model_pb2.SavedModel.FromString((tmp_path / "saved_model.pb").read_bytes())
    methods = {name: each.method_name for name, each in saved.meta_graphs[0].signature_def.items()}
    assert methods["a"] == "tensorflow/serving/predict" and methods["b"] == "tensorflow/serving/classify"
    assert tf.saved_model.load(str(tmp_path)).signatures["b"](tf.constant(["x"]))["y"].numpy() == [b"x"]


def test_the_length_of_the_export_is_the_models_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []

    class Nothing(tf.Module):
        def __init__(self, model: Any, tokenizer: Any, length: int) -> None:
            super().__init__()
            lengths.append(length)
            self.functions: dict[str, Any] = {}
            self.methods: dict[str, str] = {}

    monkeypatch.setattr("kpt.export.task_signatures.ServedTask", Nothing)
    model = Classifier(tiny_encoder(**ENCODER), LABELS, length=12)
    kpt.export.saved_model(model, WORDPIECE, tmp_path)
    kpt.export.saved_model(model, WORDPIECE, tmp_path, length=20)
    assert lengths == [12, 20]
    with pytest.raises(kpt.InputError, match="length is 4; give at least 5 and at most the model's 24"):
        kpt.export.saved_model(model, WORDPIECE, tmp_path, length=4)
