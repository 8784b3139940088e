from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from kpt import InputError
from kpt.data import LabelledTexts, TaggedWords
from kpt.data.squad import Questions
from kpt.evaluation.answers import answer_scores, question_scores
from kpt.evaluation.task_scores import (
    evaluate_task,
    label_kind,
    main_score,
    task_scores,
    text_losses,
    threshold_scores,
)
from kpt.tasks import Classifier, QuestionAnswerer, Regressor, Tagger
from kpt.tasks.question_answerer import FOUND
from tests.tasks.small_task import LABELS, TEXTS, small_encoder, small_tokenizer

TOKENIZER = small_tokenizer()
ENCODER = small_encoder(TOKENIZER)
SINGLE = Classifier(ENCODER, ["neg", "pos"], tokenizer=TOKENIZER)
SEVERAL = Classifier(ENCODER, ["neg", "pos"], multi_label=True, tokenizer=TOKENIZER)
NUMBER = Regressor(ENCODER, tokenizer=TOKENIZER)
ANSWERER = QuestionAnswerer(ENCODER, tokenizer=TOKENIZER, length=16, stride=4)
TAGGER = Tagger(ENCODER, ["O", "B-x", "I-x"], tokenizer=TOKENIZER, length=8)


def data(labels: list[object]) -> LabelledTexts:
    return LabelledTexts(TEXTS, None, labels, [f"f, line {row + 1}" for row in range(len(TEXTS))])


def test_kinds_and_scores_that_count() -> None:
    assert [label_kind(model) for model in (SINGLE, SEVERAL, NUMBER, TAGGER, ANSWERER)] == [
        *("single", "several", "number", "tags", "answers")
    ]
    assert [main_score(model) for model in (SINGLE, SEVERAL, NUMBER, TAGGER, ANSWERER)] == [
        *("macro_f1", "macro_f1", "pearson", "f1", "answer_f1")
    ]


@pytest.mark.parametrize(
    ("model", "truth"),
    [
        (SINGLE, np.array([1, 0, 1])),
        (SEVERAL, np.array([[1, 0], [0, 0], [1, 1]], "float32")),
    ],
)
def test_losses_are_those_of_keras(model: Classifier, truth: np.ndarray) -> None:
    logits = np.random.default_rng(0).normal(0, 3, (3, 2)).astype("float32")
    expected = float(keras.ops.convert_to_numpy(model.default_loss()(truth, logits)))
    assert text_losses(model, truth, logits).mean() == pytest.approx(expected, rel=1e-5)


def test_numbers_have_squared_errors() -> None:
    assert text_losses(NUMBER, np.array([1.0, 2.0]), np.array([1.5, 0.0])).tolist() == [0.25, 4.0]
    assert task_scores(NUMBER, np.array([1.0, 2.0]), np.array([1.5, 0.0]))["pearson"] == pytest.approx(-1)


def test_answers_are_looked_at_once_for_all_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    data = Questions(
        ["a film", "an end", "a film"], [*TEXTS[:2], "\u00a0."], [[(0, 3)], [], []], ["1", "2", "3"], ["f"] * 3
    )
    looked: list[int] = []

    def counted(golds: Any, answers: Any) -> np.ndarray:
        looked.append(len(golds))
        return question_scores(golds, answers)

    monkeypatch.setattr("kpt.evaluation.task_scores.question_scores", counted)
    results = evaluate_task(ANSWERER, data, resamples=200)
    assert looked == [3]
    told = [one["answer"] for one in ANSWERER.tell(list(zip(data.texts, data.contexts, strict=True)))]
    assert {name: results[name] for name in ("answer_f1", "exact_match", "unanswerable_accuracy")} == pytest.approx(
        {name: value for name, value in answer_scores(data.golds, told).items() if not name.startswith("answerable_")},
        abs=1e-6,
    )
    assert "answerable_f1" in results["intervals"]  # though draws of unanswerable questions alone have none
    with pytest.raises(InputError, match="a Classifier answers no questions"):
        evaluate_task(SINGLE, data)


def test_the_best_threshold_of_scores() -> None:
    truth = np.empty(3, object)
    truth[:] = [("x y", ["x"]), ("x y", []), ("x y", ["y"])]
    found = np.array([(0, 1, 5.0, 1.0, 0.0), (0, 1, 3.0, 2.0, 0.0), (2, 3, 4.0, 2.0, 0.0)], FOUND)
    # Spans are 4, 1 and 2 above no answer: from 2 on the first and the last are answered, and rightly.
    assert threshold_scores(truth, found) == {"best_threshold": 2.0, "best_f1": 1.0}
    assert threshold_scores(truth[:1], found[:1]) == {}
    assert text_losses(ANSWERER, truth, found).tolist() == [0.0, 0.0, 0.0]


def test_a_classifier_on_labelled_texts() -> None:
    results = evaluate_task(SINGLE, data(list(LABELS)), batch_size=7, resamples=50)
    guesses = SINGLE.classify(TEXTS)
    right = [guess == label for guess, label in zip(guesses, LABELS, strict=True)]
    assert results["accuracy"] == pytest.approx(np.mean(right), abs=1e-6)
    assert np.trace(results["confusion"]) == sum(right) and results["labels"] == ["neg", "pos"]
    assert (results["texts"], results["cut"]) == (30, 0)
    assert set(results["intervals"]) == {"accuracy", "macro_f1", "micro_f1", "matthews"}
    low, high = results["intervals"]["accuracy"]
    assert low <= results["accuracy"] <= high
    assert "intervals" not in evaluate_task(SINGLE, data(list(LABELS)), resamples=0)


def test_the_other_kinds() -> None:
    several = evaluate_task(SEVERAL, data([(label,) for label in LABELS]), resamples=5)
    assert {"accuracy", "macro_f1", "micro_f1"} <= set(several) and "confusion" not in several
    numbers = evaluate_task(NUMBER, data([float(row) for row in range(30)]), resamples=5)
    assert {"pearson", "spearman", "mean_absolute_error"} <= set(numbers)


def test_tagged_words() -> None:
    texts = [text.split() for text in TEXTS]
    tags = [["O", "B-x", "I-x", *["O"] * (len(words) - 3)] for words in texts]
    words = TaggedWords(texts, tags, [f"f, line {row}" for row in range(len(texts))])
    results = evaluate_task(TAGGER, words, batch_size=7, resamples=20)
    told = TAGGER.tag(texts)
    right = [tag == other for one, two in zip(tags, told, strict=True) for tag, other in zip(one, two, strict=True)]
    assert results["accuracy"] == pytest.approx(np.mean(right), abs=1e-6)
    assert results["cut"] > 0 and results["types"]["x"]["entities"] == 30
    assert set(results["intervals"]) == {"f1", "precision", "recall", "accuracy"}
    logits = TAGGER.predict(texts)
    losses = text_losses(TAGGER, TAGGER.targets(tags), logits)
    kept = len(logits[0])
    one = np.logaddexp.reduce(logits[0].astype("float64"), axis=1) - logits[0][range(kept), [0, 1, 2, 0, 0, 0][:kept]]
    assert losses[0] == pytest.approx(one.mean(), rel=1e-5) and results["loss"] == pytest.approx(
        losses.mean(), abs=1e-5
    )
    assert text_losses(TAGGER, TAGGER.targets([[]]), [np.zeros((0, 3))]).tolist() == [0]


def test_a_label_that_the_model_has_not_is_named_with_its_place() -> None:
    with pytest.raises(InputError, match="f, line 3: the label 'fine' is not among those"):
        evaluate_task(SINGLE, data(["neg", "pos", "fine", *LABELS[3:]]))
    with pytest.raises(InputError, match="the model has no tokenizer"):
        evaluate_task(Classifier(ENCODER, ["neg", "pos"]), data(list(LABELS)))
