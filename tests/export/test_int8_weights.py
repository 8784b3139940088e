from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import kpt
from kpt.export.check_process import foreign_operations
from kpt.export.int8_weights import Int8Weights, quantize
from kpt.tasks import Classifier
from tests.batches import tiny_encoder
from tests.export.causal_reference import byte_pairs, causal_pretrainer
from tests.export.reference import HOSTILE, tiny_tokenizer
from tests.numbers import array, normal, randomize


def test_numbers_times_scales_are_the_values_up_to_half_a_scale() -> None:
    values = normal(7, 5) * np.array([1, 10, 0.1, 0, 1e-3], "float32")
    numbers, scales = quantize(values, axis=0)
    assert (numbers.dtype, scales.shape) == (np.int8, (1, 5))
    assert np.abs(numbers[:, [0, 1, 2, 4]]).max(axis=0).tolist() == [127] * 4 and not numbers[:, 3].any()
    assert (np.abs(numbers * scales - values) <= 0.5001 * scales).all()


def test_rows_of_embeddings_and_outputs_of_kernels_have_a_scale_each() -> None:
    encoder = tiny_encoder()
    randomize(encoder)
    small = Int8Weights(encoder.weights)
    shapes = {tuple(q.shape): tuple(s.shape) for q, s in zip(small.numbers, small.scales, strict=True)}
    assert shapes[(23, 8)] == (23, 1)
    assert shapes[(8, 24)] == (1, 24)
    table = encoder.token_embedding.embeddings
    before = array(table.value)
    with small.in_place():
        within = array(table.value)
    assert 0 < np.abs(within - before).max() < np.abs(before).max() / 200
    np.testing.assert_array_equal(array(table.value), before)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_an_export_is_smaller_and_answers_nearly_the_same(dtype: str, tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    encoder = tiny_encoder(vocabulary_size=60, width=32, depth=1, maximum_length=24, dtype=dtype)
    model = Classifier(encoder, ["no", "yes"], tokenizer=tokenizer)
    randomize(model)
    path = kpt.export.saved_model(model, tokenizer, tmp_path / "small", weights="int8")
    notes = json.loads((path / "assets.extra" / "kpt.json").read_text())["weights"]
    count = sum(int(np.prod(weight.shape)) for weight in model.weights)
    assert notes["type"] == "int8" and notes["float32_bytes"] == 4 * count
    assert notes["bytes"] < notes["float32_bytes"] / 2
    variables = tf.train.load_checkpoint(str(path / "variables" / "variables")).get_variable_to_dtype_map()
    stored = [name for name in variables if name.startswith("int8_weights/numbers")]
    assert len(stored) == sum(len(weight.shape) > 1 for weight in model.weights)
    assert {variables[name] for name in stored} == {tf.int8}
    plain = [name for name in variables if name.startswith("weights/")]
    assert len(plain) == len(model.weights) - len(stored)
    assert 0 < notes["largest_difference"] < 0.05
    loaded = tf.saved_model.load(str(path))
    found = loaded.signatures["serving_default"](texts=tf.constant(HOSTILE))["probabilities"]
    np.testing.assert_allclose(found, model.probabilities(HOSTILE), atol=0.05)
    assert foreign_operations(loaded.signatures["serving_default"].graph.as_graph_def()) == []


def test_a_decoder_multiplies_them_out_before_its_loop(tmp_path: Path) -> None:
    tokenizer = byte_pairs()
    model = causal_pretrainer(tokenizer.vocabulary.size, depth=1)
    path = kpt.export.saved_model(model, tokenizer, tmp_path / "gpt", weights="int8")
    score: Any = tf.saved_model.load(str(path)).signatures["score"]
    found = score(texts=tf.constant(["the cat sat", "lower"]))["log_likelihood"].numpy()
    wanted = np.asarray(kpt.generation.score(model, tokenizer, ["the cat sat", "lower"]).log_likelihood)
    np.testing.assert_allclose(found, wanted, rtol=0.05)
    assert np.abs(found - wanted).max() > 0


def test_other_widths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(kpt.InputError, match="weights is 'int4'; choose int8, or leave it out"):
        kpt.export.saved_model(tiny_encoder(vocabulary_size=60), tiny_tokenizer(), tmp_path, weights="int4")
