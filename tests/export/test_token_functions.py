from __future__ import annotations

import numpy as np
import tensorflow as tf

from kpt.export.token_functions import in_float32, token_function
from kpt.tasks import Classifier, Tagger
from tests.batches import tiny_encoder
from tests.numbers import array, randomize


def test_names_and_types_are_those_of_hugging_face() -> None:
    model = tiny_encoder(pooler=False)
    function, specs = token_function(model)
    assert [spec.name for spec in specs] == ["input_ids", "attention_mask", "token_type_ids"]
    assert {spec.dtype for spec in specs} == {tf.int64} and specs[0].shape.as_list() == [None, None]
    ids = np.array([[3, 4, 5]])
    outputs = function(ids, np.array([[1, 1, 0]]), 0 * ids)
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {
        "last_hidden_state": (1, 3, 8),
        "sentence_embedding": (1, 8),
    }
    np.testing.assert_allclose(
        outputs["sentence_embedding"], array(outputs["last_hidden_state"])[:, :2].mean(axis=1), atol=1e-6
    )
    assert [spec.name for spec in token_function(tiny_encoder(segments=0))[1]] == ["input_ids", "attention_mask"]


def test_several_labels_are_told_apart_from_one() -> None:
    ids = np.array([[3, 4, 5]])
    for several in (False, True):
        function, _ = token_function(Classifier(tiny_encoder(segments=0), ["a", "b"], multi_label=several))
        outputs = function(ids, np.ones_like(ids))
        logits = array(outputs["logits"]).astype("float64")
        wanted = 1 / (1 + np.exp(-logits)) if several else np.exp(logits) / np.exp(logits).sum()
        np.testing.assert_allclose(outputs["probabilities"], wanted, atol=1e-6)


def test_a_tagger_tells_probabilities_of_each_token() -> None:
    ids = np.array([[3, 4, 5]])
    function, _ = token_function(Tagger(tiny_encoder(segments=0), ["O", "B-x", "I-x"]))
    outputs = function(ids, np.ones_like(ids))
    assert outputs["probabilities"].shape == (1, 3, 3)
    np.testing.assert_allclose(array(outputs["probabilities"]).sum(axis=-1), 1, atol=1e-6)


def test_a_model_in_lower_precision_and_of_windows_is_made_anew() -> None:
    plain = Classifier(tiny_encoder(), ["a", "b"])
    assert in_float32(plain) is plain
    assert in_float32(Classifier(tiny_encoder(), ["a", "b"], windows=3)).windows == 1
    model = Classifier(tiny_encoder(dtype="mixed_bfloat16"), ["a", "b"])
    model.compile("sgd")
    weights = randomize(model)
    again = in_float32(model)
    layers = again._flatten_layers(include_self=False)
    assert {layer.compute_dtype for layer in layers} == {"float32"} and not again.compiled
    for weight, value in zip(again.weights, weights.values(), strict=True):
        np.testing.assert_array_equal(array(weight.value), value)
