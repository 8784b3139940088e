from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

import kpt
from kpt.export.serving_files import TEXTS, WARM_UP, sample_inputs, write_serving_files
from kpt.text import CharacterTokenizer
from tests.export.causal_reference import causal_pretrainer


def traced(function: Any, **inputs: Any) -> Any:
    specs = [tf.TensorSpec(shape, dtype, name=name) for name, (shape, dtype) in inputs.items()]
    return tf.function(function, autograph=False).get_concrete_function(*specs)


def logs(folder: Path) -> list[Any]:
    records = tf.data.TFRecordDataset(str(folder / "assets.extra" / WARM_UP))
    return [PredictionLog.FromString(record).predict_log for record in records.as_numpy_iterator()]


def test_requests_with_the_models_answers(tmp_path: Path) -> None:
    functions = {"serving_default": traced(lambda texts: {"size": tf.strings.length(texts)}, texts=([None], tf.string))}
    write_serving_files(tmp_path, "bert", functions, {"length": 24}, {})
    one, several = logs(tmp_path)
    assert (one.request.model_spec.name, one.request.model_spec.signature_name) == ("bert", "serving_default")
    assert tf.make_ndarray(one.request.inputs["texts"]).tolist() == [b"It rained."]
    assert tf.make_ndarray(one.response.outputs["size"]).tolist() == [10]
    sizes = [len(text.encode()) for text in TEXTS]
    assert tf.make_ndarray(several.response.outputs["size"]).tolist() == sizes
    notes = json.loads((tmp_path / "assets.extra" / "kpt.json").read_text(encoding="utf-8"))
    assert (notes["signatures"], notes["length"]) == (["serving_default"], 24)


def test_how_to_batch_is_said_where_inputs_are_rows(tmp_path: Path) -> None:
    rows = {"pairs": traced(lambda first, second: {"x": first}, first=([None], tf.string), second=([None], tf.string))}
    (tmp_path / "rows").mkdir()
    write_serving_files(tmp_path / "rows", "bert", rows, {}, {})
    text = (tmp_path / "rows" / "batching_params.pbtxt").read_text(encoding="utf-8")
    assert "max_execution_batch_size { value: 32 }" in text and "max_batch_size { value: 4096 }" in text

    settings = {"nearest": traced(lambda words, k: {"x": words}, words=([None], tf.string), k=([], tf.int32))}
    (tmp_path / "settings").mkdir()
    write_serving_files(tmp_path / "settings", "words", settings, {}, {"words": ["cat", "dog"]})
    assert not (tmp_path / "settings" / "batching_params.pbtxt").exists()
    assert tf.make_ndarray(logs(tmp_path / "settings")[1].request.inputs["k"]).tolist() == 3


def test_what_the_model_refuses_is_left_out(tmp_path: Path) -> None:
    def short(texts: Any) -> Any:
        longest = tf.reduce_max(tf.strings.length(texts))
        with tf.control_dependencies([tf.debugging.assert_less(longest, 20)]):
            return {"x": tf.identity(texts)}

    write_serving_files(tmp_path, "gpt", {"score": traced(short, texts=([None], tf.string))}, {}, {})
    (log,) = logs(tmp_path)
    assert tf.make_ndarray(log.request.inputs["texts"]).tolist() == [b"It rained."]


@pytest.mark.parametrize(("signature", "names"), [("classify", ["text"]), ("regress_pairs", ["first", "second"])])
def test_examples_have_the_features_that_are_parsed(signature: str, names: list[str]) -> None:
    (serialised,) = sample_inputs(signature, ["inputs"], 1, {})["inputs"]
    assert sorted(tf.train.Example.FromString(serialised).features.feature) == names


def test_masks_and_words() -> None:
    assert sample_inputs("fill_mask", ["texts"], 1, {"mask": "<mask>"}) == {"texts": ["It rained. <mask>"]}
    assert sample_inputs("nearest", ["words", "k"], 2, {"words": ["a", "b", "c"]}) == {"words": ["a", "b"], "k": 3}
    inputs = sample_inputs("serving_default", ["prompts", "temperature"], 8, {})
    assert len(inputs["prompts"]) == 8
    assert np.float32(inputs["temperature"]) == 0


def test_characters_without_an_unknown_one_are_asked_with_what_they_know(tmp_path: Path) -> None:
    names = ["prompts", "labels", "template"]
    found = sample_inputs("zero_shot", names, 1, {"characters": "aine"})
    assert found == {"prompts": ["aine"], "labels": ["a", "a"], "template": "{text}{label}"}
    tokenizer = CharacterTokenizer.train(["tokens go by", "add"])
    model = causal_pretrainer(tokenizer.vocabulary.size, depth=1, maximum_length=160)
    requests = logs(kpt.export.saved_model(model, tokenizer, tmp_path / "gpt"))
    asked = [log.request.model_spec.signature_name for log in requests]
    assert asked == ["serving_default"] * 2 + ["score"] * 2 + ["zero_shot"] * 2
    assert tf.make_ndarray(requests[1].request.inputs["prompts"]).tolist()[:2] == [b"t aned", b"e steet as et"]
