from __future__ import annotations

import keras
import numpy as np
import pytest

from kpt import InputError
from kpt.evaluation.classification import (
    classification_scores,
    confusion_matrix,
    f1_scores,
    matthews_correlation,
    multi_label_scores,
)

# Three classes of unequal size, and what they were taken for. By hand: class 0 is told 3 times, 2 rightly, of 3;
# class 1 3 times, 1 rightly, of 2; class 2 once, rightly, of 2.
TRUTH = np.array([0, 0, 0, 1, 1, 2, 2])
GUESS = np.array([0, 0, 1, 1, 0, 2, 1])
F1 = [2 * 2 / (3 + 3), 2 * 1 / (2 + 3), 2 * 1 / (2 + 1)]


def test_the_matrix_has_truths_in_rows() -> None:
    assert confusion_matrix(TRUTH, GUESS, 3).tolist() == [[2, 1, 0], [1, 1, 0], [0, 1, 1]]
    assert confusion_matrix(TRUTH, GUESS, 4).shape == (4, 4)


def test_scores_by_hand() -> None:
    scores = classification_scores(TRUTH, GUESS, 3)
    assert scores["accuracy"] == scores["micro_f1"] == 4 / 7
    assert scores["macro_f1"] == pytest.approx(np.mean(F1))
    assert classification_scores(TRUTH, GUESS, 5)["macro_f1"] == pytest.approx(np.mean(F1))  # two that never occur


def test_f1_is_that_of_keras() -> None:
    generator = np.random.default_rng(0)
    truth, guess = generator.integers(0, 4, (2, 200))
    one_hot = np.eye(4, dtype="float32")
    for average in ("macro", "micro"):
        metric = keras.metrics.F1Score(average=average)
        metric.update_state(one_hot[truth], one_hot[guess])
        expected = float(keras.ops.convert_to_numpy(metric.result()))
        assert classification_scores(truth, guess, 4)[f"{average}_f1"] == pytest.approx(expected, abs=1e-6)
    labels, guesses = generator.random((2, 60, 5)) < 0.4
    for average in ("macro", "micro"):
        metric = keras.metrics.F1Score(average=average, threshold=0.5)
        metric.update_state(labels.astype("float32"), guesses.astype("float32"))
        expected = float(keras.ops.convert_to_numpy(metric.result()))
        assert multi_label_scores(labels, guesses)[f"{average}_f1"] == pytest.approx(expected, abs=1e-6)


def test_matthews_is_the_correlation_of_two_classes() -> None:
    truth, guess = np.random.default_rng(1).integers(0, 2, (2, 100))
    guess[:60] = truth[:60]
    expected = np.corrcoef(truth, guess)[0, 1]
    assert matthews_correlation(confusion_matrix(truth, guess, 2)) == pytest.approx(expected)
    one_hot = np.eye(3)
    x, y = (one_hot[values] - one_hot[values].mean(axis=0) for values in (TRUTH, GUESS))
    several = (x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum())
    assert matthews_correlation(confusion_matrix(TRUTH, GUESS, 3)) == pytest.approx(several)
    assert matthews_correlation(confusion_matrix(TRUTH, np.zeros(7, int), 3)) == 0


def test_what_never_occurs_has_no_f1() -> None:
    assert np.isnan(f1_scores(np.array([0]), np.array([0]), np.array([0])))[0]
    none = np.zeros((3, 2), bool)
    assert multi_label_scores(none, none) == {"accuracy": 1.0, "macro_f1": 0.0, "micro_f1": 0.0}


def test_refusals() -> None:
    with pytest.raises(InputError, match="2 guesses for 7 labels"):
        classification_scores(TRUTH, GUESS[:2], 3)
    with pytest.raises(InputError, match="there is no text to score"):
        classification_scores(TRUTH[:0], GUESS[:0], 3)
    with pytest.raises(InputError, match="give one row to each text"):
        multi_label_scores(np.zeros((2, 3)), np.zeros((2, 2)))
