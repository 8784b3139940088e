from __future__ import annotations

import numpy as np
import pytest

from kpt.data import LabelledTexts, TaggedWords
from kpt.data.squad import Questions
from kpt.tasks import Classifier, QuestionAnswerer, Regressor, Tagger
from kpt.tasks.question_answerer import FOUND
from kpt.training.finetune_errors import worst_errors
from tests.tasks.small_task import small_encoder, small_tokenizer

ENCODER = small_encoder(small_tokenizer())
PLACES = [f"f.tsv, line {line}" for line in (2, 3, 4)]


def test_wrong_texts_come_with_the_worst_first() -> None:
    data = LabelledTexts(["x", "y", "z"], ["p", "q", "r"], ["a", "b", "b"], PLACES)
    model = Classifier(ENCODER, ["a", "b"])
    logits = np.array([[0.0, 1.0], [0.0, 9.0], [3.0, 0.0]])
    worst, other = worst_errors(model, data, np.array([0, 1, 1]), logits)
    assert (worst["text"], worst["pair"], worst["label"], worst["guess"]) == ("z", "r", "b", "a")
    assert worst["loss"] == pytest.approx(np.log1p(np.exp(3)), abs=1e-4)
    assert worst["probability"] == pytest.approx(1 / (1 + np.exp(-3)), abs=1e-4)
    assert (other["place"], other["guess"]) == ("f.tsv, line 2", "b")
    assert len(worst_errors(model, data, np.array([0, 1, 1]), logits, most=1)) == 1


def test_several_labels_and_numbers() -> None:
    data = LabelledTexts(["x", "y", "z"], None, [("b", "a"), (), ("a",)], PLACES)
    truth = np.array([[1, 1], [0, 0], [1, 0]], "float32")
    logits = np.array([[5.0, -1.0], [-5.0, -5.0], [-2.0, 1.0]])
    worst, other = worst_errors(Classifier(ENCODER, ["a", "b"], multi_label=True), data, truth, logits)
    assert (worst["label"], worst["guess"]) == (["a"], ["b"])
    assert (other["label"], other["guess"]) == (["a", "b"], ["a"])
    numbers = LabelledTexts(["x", "y", "z"], None, [1.0, 2.0, 3.0], PLACES)
    found = worst_errors(Regressor(ENCODER), numbers, np.array([1.0, 2.0, 3.0]), np.array([1.5, 2.0, 1.0]))
    assert [(error["label"], error["guess"], error["loss"]) for error in found] == [
        (3, 1, 4),
        (1, 1.5, 0.25),
        (2, 2, 0),
    ]


def test_entities_that_were_missed_or_made_up() -> None:
    data = TaggedWords(
        [["x", "y"], ["p", "q", "r"], ["z"]], [["O", "O"], ["B-a", "I-a", "B-a"], ["B-a"]], ["f, line 1"] * 3
    )
    model = Tagger(ENCODER, ["O", "B-a", "I-a"])
    logits = [np.eye(3)[tags] * 9 for tags in ([0, 0], [1, 0, 1], [0])]
    truth = model.targets(data.labels)
    missed, part = worst_errors(model, data, truth, logits)
    assert (missed["text"], missed["label"], missed["guess"]) == ("z", ["a: z"], [])
    assert (part["text"], part["label"], part["guess"]) == ("p q r", ["a: p q"], ["a: p"])
    assert part["loss"] == pytest.approx(3.0, abs=0.01) and part["place"] == "f, line 1"
    assert len(worst_errors(model, data, truth, logits, most=1)) == 1


def test_answers_that_are_no_exact_match() -> None:
    data = Questions(["p", "q", "r"], ["x y"] * 3, [[(0, 1)], [], [(2, 3)]], ["1", "2", "3"], ["f, question 1"] * 3)
    found = np.array([(2, 3, 4.0, 0.0, 1.5), (0, 1, 4.0, 0.0, 2.5), (2, 3, 4.0, 0.0, 9.0)], FOUND)
    worst, other = worst_errors(QuestionAnswerer(ENCODER), data, np.empty(3, object), found)
    assert (worst["text"], worst["pair"], worst["label"], worst["guess"]) == ("q", "x y", "no answer", "x")
    assert (other["label"], other["guess"], other["loss"], other["place"]) == ("x", "y", 1.5, "f, question 1")
    assert len(worst_errors(QuestionAnswerer(ENCODER), data, np.empty(3, object), found, most=1)) == 1
