from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from kpt.data import LabelledTexts
from kpt.evaluation.task_scores import labelled_examples
from kpt.tasks import Classifier, Regressor
from kpt.training.probe import STRENGTHS, TOKEN_SHARES, fit_head, fit_linear, head_inputs
from tests.numbers import array
from tests.tasks.small_task import LABELS, TEXTS, small_encoder, small_tokenizer


def data(rows: int = 60, width: int = 5) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(rows, width))
    return vectors, (vectors @ generator.normal(size=(width, 3)) + generator.normal(size=(rows, 3))).argmax(axis=1)


def test_labels_are_fitted_as_scikit_learn_does() -> None:
    vectors, labels = data()
    weights = np.linspace(0.5, 1.5, len(labels))
    kernel, bias = fit_linear(vectors, np.eye(3)[labels], "one", 0.7, weights)
    model = LogisticRegression(C=0.7, tol=1e-8, max_iter=1000).fit(vectors, labels, weights)
    np.testing.assert_allclose(kernel, model.coef_.T, atol=1e-3)
    np.testing.assert_allclose(bias - bias.mean(), model.intercept_ - model.intercept_.mean(), atol=1e-3)


def test_several_labels_and_numbers_are_fitted_as_scikit_learn_does() -> None:
    vectors, labels = data()
    targets = np.stack([labels != 0, labels == 1], axis=1).astype(float)
    kernel, bias = fit_linear(vectors, targets, "several", 0.7)
    for column in range(2):
        model = LogisticRegression(C=0.7, tol=1e-8, max_iter=1000).fit(vectors, targets[:, column])
        np.testing.assert_allclose(kernel[:, column], model.coef_[0], atol=1e-3)
        np.testing.assert_allclose(bias[column], model.intercept_[0], atol=1e-3)
    numbers = vectors @ np.arange(5.0)[:, None] + 3
    kernel, bias = fit_linear(vectors, numbers, "numbers", 2.0)
    ridge = Ridge(alpha=0.5).fit(vectors, numbers[:, 0])
    np.testing.assert_allclose(kernel[:, 0], ridge.coef_.ravel(), atol=1e-3)
    np.testing.assert_allclose(bias, ridge.intercept_, atol=1e-3)


def read(model: Any, labels: Any) -> Any:
    return labelled_examples(model, LabelledTexts(TEXTS, None, labels, places=[f"line {i}" for i in range(len(TEXTS))]))


@pytest.mark.parametrize("document_width", [0, 4])
def test_only_the_head_changes_and_it_tells_the_labels(document_width: int) -> None:
    tokenizer = small_tokenizer()
    options: dict[str, Any] = {"tokenizer": tokenizer, "length": 16, "document_width": document_width}
    model = Classifier(small_encoder(tokenizer), ["neg", "pos"], pooling="distinct", **options)
    if document_width:
        table = np.random.default_rng(0).normal(size=(tokenizer.vocabulary.size, document_width))
        model.document_vectors.kernel.assign(table)
    before = {weight.path: array(weight) for weight in model.weights}
    fit_head(model, read(model, LABELS), batch_size=8)
    changed = {weight.path for weight in model.weights if not np.array_equal(before[weight.path], array(weight))}
    holding = [model.head, model.document_vectors] if document_width else [model.head]
    assert changed == {weight.path for layer in holding for weight in layer.weights}
    assert model.classify(TEXTS) == LABELS


def test_the_head_reads_whole_texts_where_steps_train_on_some_windows_of_them() -> None:
    tokenizer = small_tokenizer()
    model = Classifier(small_encoder(tokenizer), ["neg", "pos"], tokenizer=tokenizer, length=8, windows=16)
    texts = [" ".join([TEXTS[row]] * (4 + row)) for row in range(8)]
    data = LabelledTexts(texts, None, LABELS[:8], places=[f"line {i}" for i in range(8)])
    all_windows, drawn = (labelled_examples(model, data, drawn_windows=count) for count in (None, 1))
    numbers = np.arange(8)
    trained = [examples.examples(0, 8)[0]["token_ids"].shape[1] for examples in (all_windows, drawn)]
    assert trained[1] <= 9 < trained[0]
    whole, read_ = (head_inputs(model, examples, 4) for examples in (all_windows, drawn))
    np.testing.assert_array_equal(whole[2], read_[2])
    assert sorted(whole[2]) == numbers.tolist()
    np.testing.assert_allclose(whole[0], read_[0], atol=1e-6)
    np.testing.assert_array_equal(whole[1].toarray(), read_[1].toarray())


def test_what_the_head_reads_is_in_the_order_of_the_texts() -> None:
    tokenizer = small_tokenizer()
    model = Regressor(small_encoder(tokenizer), mean=2.0, deviation=3.0, tokenizer=tokenizer, length=16)
    scores = [float(number) for number in range(len(TEXTS))]
    vectors, shares, numbers = head_inputs(model, read(model, scores), 8)
    assert sorted(numbers.tolist()) == list(range(len(TEXTS)))
    kernel, bias = (array(weight).astype("float64") for weight in model.head.weights)
    told = 2.0 + 3.0 * (vectors @ kernel + bias)[:, 0]
    np.testing.assert_allclose(told[np.argsort(numbers)], model.predict(TEXTS, verbose=0), atol=1e-4)
    own = [np.unique(tokenizer.encode([TEXTS[number]])[0]) for number in numbers]
    for row, tokens in zip(shares, own, strict=True):
        assert set(tokens) <= set(row.indices)
        np.testing.assert_allclose(row.data, 1 / len(row.indices))


def test_weights_of_tokens_are_fitted_with_the_head_and_held_by_the_vectors_of_documents() -> None:
    """The numbers are those of a ridge regression on what the head reads and on the tokens, in one fit."""
    tokenizer = small_tokenizer()
    scores = np.random.default_rng(1).normal(size=len(TEXTS))
    options: dict[str, Any] = {"mean": 0.0, "deviation": 1.0, "tokenizer": tokenizer, "length": 16}
    model = Regressor(small_encoder(tokenizer), pooling="distinct", document_width=3, **options)
    model.document_vectors.kernel.assign(np.random.default_rng(0).normal(size=(tokenizer.vocabulary.size, 3)))
    vectors, shares, numbers = head_inputs(model, read(model, scores.tolist()), 8)
    fit_head(model, read(model, scores.tolist()), 8)
    told = np.asarray(model.predict(TEXTS, verbose=0))[numbers]
    scaled = (vectors - vectors.mean(axis=0)) / vectors.std(axis=0) / np.sqrt(3)
    scaled[:, :-3] *= 0.1
    dense = shares.toarray()
    dense *= np.sqrt(np.log((1 + len(dense)) / (1 + (dense > 0).sum(axis=0))) + 1)
    unit = dense / np.sqrt((dense**2).sum(axis=1).mean())
    errors = [
        np.abs(Ridge(alpha=1 / strength).fit(features, scores[numbers]).predict(features) - told).max()
        for strength in STRENGTHS
        for features in (np.concatenate([scaled, unit * share], axis=1) for share in TOKEN_SHARES)
    ]
    assert min(errors) < 2e-3


def test_numbers_are_fitted_in_their_own_unit() -> None:
    tokenizer = small_tokenizer()
    scores = np.array([10.0 if label == "pos" else 4.0 for label in LABELS])
    options: dict[str, Any] = {"mean": scores.mean(), "deviation": scores.std(), "tokenizer": tokenizer, "length": 16}
    model = Regressor(small_encoder(tokenizer), pooling="distinct", **options)
    fit_head(model, read(model, scores.tolist()))
    assert np.abs(model.predict(TEXTS, verbose=0) - scores).mean() < 1.0
