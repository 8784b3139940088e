from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import kpt
from kpt.export.encoder_signatures import ServedEncoder
from kpt.objectives import MaskedLM, NextSentence
from tests.batches import tiny_encoder
from tests.export.reference import HOSTILE, assert_served, tiny_pretrainer, tiny_tokenizer

LENGTH = 24


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return tiny_tokenizer()


@pytest.fixture(scope="module")
def pretrainer() -> Any:
    return tiny_pretrainer(length=LENGTH)


@pytest.fixture(scope="module")
def served(pretrainer: Any, tokenizer: Any) -> ServedEncoder:
    return ServedEncoder(pretrainer, tokenizer, LENGTH, top_k=5)


def call(served: ServedEncoder, texts: list[Any]) -> dict[str, dict[str, np.ndarray]]:
    inputs = {"texts": tf.constant(texts, tf.string)}
    pair = {"first": tf.constant(texts, tf.string), "second": tf.constant(texts[::-1], tf.string)}
    return {
        name: {key: value.numpy() for key, value in function(**(pair if name == "next_sentence" else inputs)).items()}
        for name, function in served.functions.items()
    }


def test_outputs_are_the_models_own(served: ServedEncoder, pretrainer: Any, tokenizer: Any) -> None:
    assert_served(call(served, HOSTILE), pretrainer, tokenizer, HOSTILE, LENGTH)


def test_a_row_does_not_depend_on_its_batch_nor_on_chance(served: ServedEncoder) -> None:
    together = call(served, HOSTILE)
    for row in (0, 3, 15):
        alone = call(served, [HOSTILE[row]])
        np.testing.assert_allclose(
            alone["serving_default"]["mean"][0], together["serving_default"]["mean"][row], atol=1e-5
        )
        count = alone["fill_mask"]["mask_count"][0]
        np.testing.assert_allclose(
            alone["fill_mask"]["probabilities"][0, :count],
            together["fill_mask"]["probabilities"][row, :count],
            atol=1e-5,
        )
    again = call(served, HOSTILE)
    np.testing.assert_array_equal(again["serving_default"]["pooled"], together["serving_default"]["pooled"])


def test_shapes_keep_the_batch(served: ServedEncoder) -> None:
    def shapes(texts: list[str]) -> dict[str, dict[str, tuple[int, ...]]]:
        return {
            name: {key: value.shape for key, value in results.items()} for name, results in call(served, texts).items()
        }

    for texts, masks in ([], 1), (["the cat"], 1), (["[MASK] the [MASK]", "", "[MASK]"], 2):
        n = len(texts)
        guesses = (n, masks, 5)
        assert shapes(texts) == {
            "serving_default": {"mean": (n, 16), "pooled": (n, 16)},
            "fill_mask": {"tokens": guesses, "probabilities": guesses, "token_ids": guesses, "mask_count": (n,)},
            "next_sentence": {"probability": (n,)},
        }


def test_masks_beyond_the_length_are_not_counted(served: ServedEncoder) -> None:
    texts = ["the " * 21 + "[MASK]", "the " * 22 + "[MASK]"]
    assert call(served, texts)["fill_mask"]["mask_count"].tolist() == [1, 0]


def test_invalid_utf8_is_served_as_text_without_it(served: ServedEncoder) -> None:
    outputs = call(served, [b"the \xff\xfe cat \xc3", b"the cat"])["serving_default"]["mean"]
    np.testing.assert_array_equal(outputs[0], outputs[1])


def test_there_are_at_most_as_many_guesses_as_pieces(tokenizer: Any) -> None:
    served = ServedEncoder(tiny_pretrainer([MaskedLM()]), tokenizer, LENGTH, top_k=1000)
    assert list(served.functions) == ["serving_default", "fill_mask"]
    probabilities = call(served, ["[MASK]"])["fill_mask"]["probabilities"]
    assert probabilities.shape == (1, 1, 60)
    np.testing.assert_allclose(probabilities.sum(), 1, atol=1e-5)


def test_only_what_the_model_has_is_served(tokenizer: Any) -> None:
    served = ServedEncoder(tiny_pretrainer([NextSentence()]), tokenizer, LENGTH, top_k=5)
    assert list(served.functions) == ["serving_default", "next_sentence"]
    bare = ServedEncoder(tiny_pretrainer([MaskedLM()], pooler=False, segments=0), tokenizer, LENGTH, top_k=5)
    assert list(bare.functions["serving_default"].structured_outputs) == ["mean"]


def test_masks_are_left_out_where_the_tokenizer_has_no_text_for_them() -> None:
    tokenizer = kpt.CharacterTokenizer.train(["the cat"], end_token=False)
    model = kpt.Pretrainer(tiny_encoder(vocabulary_size=tokenizer.vocabulary.size), [MaskedLM()])
    with pytest.warns(UserWarning, match=r"the signature fill_mask is left out: it needs a tokenizer that keeps"):
        served = ServedEncoder(model, tokenizer, 9, top_k=5)
    assert list(served.functions) == ["serving_default"]
    found = call(served, ["", "cat"])["serving_default"]["mean"]
    np.testing.assert_array_equal(found[0], np.zeros(8))  # without any mark an empty text has no token at all
    assert np.isfinite(found).all()


def test_a_modern_encoder_in_lower_precision_gives_float32(tokenizer: Any) -> None:
    policy = keras.dtype_policies.get("mixed_bfloat16")
    heads = [MaskedLM(dtype=policy), NextSentence(dtype=policy)]
    modern = tiny_pretrainer(heads, positions="rotary", norm_first=True, dtype="mixed_bfloat16")
    outputs = call(ServedEncoder(modern, tokenizer, LENGTH, top_k=3), ["the [MASK] sat", ""])
    floats = [outputs["serving_default"]["mean"], outputs["serving_default"]["pooled"]]
    floats += [outputs["fill_mask"]["probabilities"], outputs["next_sentence"]["probability"]]
    assert all(values.dtype == np.float32 and np.isfinite(values).all() for values in floats)
