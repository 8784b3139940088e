from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kpt.export import causal_scores
from kpt.generation import score, zero_shot
from tests.export.causal_reference import LENGTH, PROMPTS, byte_pairs, causal_pretrainer


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return byte_pairs()


@pytest.fixture(scope="module")
def decoder(tokenizer: Any) -> Any:
    return causal_pretrainer(tokenizer.vocabulary.size).backbone


@pytest.fixture(scope="module")
def scores(tokenizer: Any, decoder: Any) -> Any:
    return causal_scores.score(decoder, tokenizer.in_graph(), tokenizer.vocabulary.end_id, LENGTH)


@pytest.fixture(scope="module")
def labelled(tokenizer: Any, decoder: Any) -> Any:
    function = causal_scores.zero_shot(decoder, tokenizer.in_graph(), tokenizer.vocabulary.end_id, LENGTH)

    def call(texts: list[str], labels: list[str], template: str) -> np.ndarray:
        inputs = {"texts": tf.constant(texts, tf.string), "labels": tf.constant(labels, tf.string)}
        return function(**inputs, template=tf.constant(template))["probabilities"].numpy()

    return call


def test_scores_are_the_models_own(scores: Any, decoder: Any, tokenizer: Any) -> None:
    served, own = scores(texts=tf.constant(PROMPTS)), score(decoder, tokenizer, PROMPTS)
    np.testing.assert_allclose(served["log_likelihood"], own.log_likelihood, rtol=1e-4)
    assert served["token_count"].numpy().tolist() == own.token_count.tolist()
    assert scores(texts=tf.constant([], tf.string))["token_count"].shape == (0,)
    with pytest.raises(tf.errors.InvalidArgumentError, match="more tokens than the 40 positions of the model; shorten"):
        scores(texts=tf.constant(["a", "x " * 50]))


def test_without_an_end_of_text_the_first_token_does_not_count(decoder: Any, tokenizer: Any) -> None:
    ids = tf.ragged.constant([[5, 6, 7], [5], []], dtype=tf.int32, row_splits_dtype=tf.int64)
    total, count = causal_scores.log_likelihoods(decoder, ids, tf.ones([3], tf.int64), LENGTH)
    assert count.numpy().tolist() == [2, 0, 0]
    assert total.numpy()[0] < 0 and total.numpy()[1:].tolist() == [0, 0]


@pytest.mark.parametrize("template", ["{text} {label}", "low, {text}. \u3000\n{label}; the mat", "{text}{label}"])
def test_probabilities_are_the_models_own(template: str, labelled: Any, decoder: Any, tokenizer: Any) -> None:
    texts, labels = ["the cat ", "", "naïve \\1"], ["low", "lowest", "a mat"]
    own = zero_shot(decoder, tokenizer, texts, labels, template)
    np.testing.assert_allclose(labelled(texts, labels, template), own, rtol=1e-4, atol=1e-6)


def test_wrong_templates_and_labels_are_errors(labelled: Any) -> None:
    assert labelled([], ["a", "b"], "{text} {label}").shape == (0, 2)
    for wrong in ("", "{text}", "{label} {text}", "{text} {label} {label}", "{text} {text} {label}"):
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"once and after it \{label\} once"):
            labelled(["a"], ["b"], wrong)
    for labels in ([], ["a", "a"], ["a", ""]):
        with pytest.raises(tf.errors.InvalidArgumentError, match="all different and none empty"):
            labelled(["a"], labels, "{text} {label}")
