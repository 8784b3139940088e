from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import kpt
from kpt.export import int8_weights
from kpt.export.check_process import foreign_operations
from kpt.export.int8_weights import Int8Weights, quantize
from kpt.layers import TokenEmbedding
from kpt.tasks import Classifier
from tests.batches import tiny_encoder
from tests.export.causal_reference import byte_pairs, causal_pretrainer
from tests.export.reference import HOSTILE, tiny_tokenizer
from tests.numbers import array, normal, randomize


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The models here have small matrices; the head of the classifier is one that stays."""
    monkeypatch.setattr(int8_weights, "SMALL", 80)


def test_numbers_times_scales_are_the_values_up_to_half_a_scale() -> None:
    values = normal(7, 5) * np.array([1, 10, 0.1, 0, 1e-3], "float32")
    numbers, scales = quantize(values, axis=0)
    assert (numbers.dtype, scales.shape) == (np.int8, (1, 5))
    assert np.abs(numbers[:, [0, 1, 2, 4]]).max(axis=0).tolist() == [127] * 4 and not numbers[:, 3].any()
    assert (np.abs(numbers * scales - values) <= 0.5001 * scales).all()


def test_rows_or_columns_have_a_scale_each_whichever_is_nearer() -> None:
    sizes = np.array([[1.0], [100.0], [0.01], *[[1.0]] * 9], "float32")
    values = normal(12, 12)
    matrices = [keras.Variable(each) for each in (values * sizes, values * sizes.T, values[:, :5], values[0])]
    small = Int8Weights(matrices)
    assert [tuple(each.shape) for each in small.scales] == [(12, 1), (1, 12)]
    assert [tuple(each.shape) for each in small.kept] == [(12, 5), (12,)]
    with small.in_place():
        for matrix, size in zip(matrices[:2], (sizes, sizes.T), strict=True):
            assert (np.abs(array(matrix.value) / size - values) < 0.02).all()
            assert np.abs(array(matrix.value) / size - values).max() > 0


@pytest.mark.parametrize("axis", [0, 1])
def test_a_table_of_tokens_is_never_multiplied_out_to_look_up_rows(axis: int) -> None:
    layer = TokenEmbedding(40, 24)
    layer.build((None, None))
    values = normal(40, 24)
    (values if axis == 0 else values.T)[0] *= 100
    layer.embeddings.assign(values)
    small = Int8Weights([layer.embeddings])
    assert tuple(small.scales[0].shape) == ((40, 1) if axis == 0 else (1, 24))
    wanted = small.numbers[0].numpy() * small.scales[0].numpy()
    ids = tf.constant([[3, 0, 39], [7, 7, 1]])

    def look_up() -> Any:
        with small.in_place():
            return layer(ids)

    graph = tf.function(look_up, autograph=False).get_concrete_function()
    np.testing.assert_array_equal(graph(), wanted[ids.numpy()])
    used = tf.compat.v1.graph_util.extract_sub_graph(graph.graph.as_graph_def(), [graph.outputs[0].op.name]).node
    assert {node.op for node in used} >= {"ResourceGather", "Mul"}
    casts = [node.name for node in used if node.op == "Cast"]
    assert [graph.graph.get_tensor_by_name(f"{name}:0").shape.as_list() for name in casts] == [[2, 3, 24]]
    with small.in_place():
        logits = array(layer(tf.ones((1, 1, 24)), reverse=True))
    np.testing.assert_allclose(logits[0, 0], wanted.sum(axis=1), rtol=1e-4, atol=1e-4)


def test_a_model_has_its_own_matrices_again_afterwards() -> None:
    encoder = tiny_encoder()
    randomize(encoder)
    small = Int8Weights(encoder.weights)
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
    model = Classifier(encoder, ["no", "yes"], tokenizer=tokenizer, document_width=4)
    randomize(model)
    path = kpt.export.saved_model(model, tokenizer, tmp_path / "small", weights="int8")
    notes = json.loads((path / "assets.extra" / "kpt.json").read_text())["weights"]
    count = sum(int(np.prod(weight.shape)) for weight in model.weights)
    assert notes["type"] == "int8" and notes["float32_bytes"] == 4 * count
    assert notes["bytes"] < notes["float32_bytes"] / 2
    variables = tf.train.load_checkpoint(str(path / "variables" / "variables")).get_variable_to_dtype_map()
    stored = [name for name in variables if name.startswith("int8_weights/numbers")]
    assert len(stored) == sum(np.prod(weight.shape) > 80 for weight in model.weights if len(weight.shape) > 1)
    assert model.head.kernel.shape == (36, 2)  # which stays
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
