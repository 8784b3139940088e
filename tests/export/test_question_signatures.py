from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import kpt
from kpt.export.question_signatures import ServedAnswerer, best_spans
from kpt.export.task_signatures import task_notes
from kpt.tasks import QuestionAnswerer
from kpt.tasks.question_answerer import best_span
from tests.batches import tiny_encoder
from tests.export.reference import HOSTILE, tiny_tokenizer
from tests.numbers import randomize

LENGTH, STRIDE = 16, 3
LONG = "the cat sat , lower ; the lowest \u200d👩 cafe\u0301 mat . " * 5
CONTEXTS = [*HOSTILE, LONG, "\x07 cat", "e\u0301 👩🏽\u200d🚀 the mat", "", " \n "]
QUESTIONS = ["who sat on the mat ?", "", "the " * 40, "Why?", "👩?"]
PAIRS = [(QUESTIONS[number % len(QUESTIONS)], context) for number, context in enumerate(CONTEXTS * 3)]


@pytest.fixture(scope="module")
def answerer() -> QuestionAnswerer:
    """One whose weights are large and different, and that answers some of the questions."""
    encoder = tiny_encoder(vocabulary_size=60, maximum_length=LENGTH)
    model = QuestionAnswerer(encoder, STRIDE, 4, None, tokenizer=tiny_tokenizer(), length=LENGTH)
    randomize(model)
    found = model.predict(PAIRS, verbose=0)
    model.threshold = float(np.median((found["score"] - found["null_score"])[np.isfinite(found["score"])]))
    return model


def told(outputs: dict[str, Any]) -> list[dict[str, Any]]:
    """The answers as `QuestionAnswerer.tell` has them."""
    values = {name: value.numpy() for name, value in outputs.items()}
    least = np.finfo(np.float32).min
    return [
        {
            "answer": answer.decode(),
            "start": begin,
            "end": end,
            "score": None if score == least else pytest.approx(float(score), abs=1e-4),
        }
        for answer, begin, end, score in zip(*(values[name].tolist() for name in OUTPUTS), strict=True)
    ]


OUTPUTS = ("answers", "begins", "ends", "scores")


def ask(function: Any, pairs: list[tuple[str, str]]) -> list[dict[str, Any]]:
    columns = {name: [pair[side] for pair in pairs] for side, name in enumerate(("questions", "contexts"))}
    return told(function(**{name: tf.constant(values, tf.string) for name, values in columns.items()}))


def test_a_saved_answerer_serves_what_it_tells(answerer: QuestionAnswerer, tmp_path: Path) -> None:
    path = kpt.export.saved_model(answerer, answerer.tokenizer, tmp_path)
    function = tf.saved_model.load(str(path)).signatures["serving_default"]
    wanted = answerer.tell(PAIRS)
    assert sum(bool(one["answer"]) for one in wanted) > 5 and any(one["answer"] == "" for one in wanted)
    after = [context[: one["start"]] for (_, context), one in zip(PAIRS, wanted, strict=True) if one["answer"]]
    assert any("👩" in text and len(text) > 100 for text in after)  # characters are counted, and windows are many
    assert ask(function, PAIRS) == wanted
    assert [ask(function, [pair])[0] for pair in PAIRS[:8]] == wanted[:8]
    assert ask(function, []) == []
    assert ask(function, [("", ""), ("who", " ")]) == [{"answer": "", "start": 0, "end": 0, "score": None}] * 2
    assert (path / "batching_params.pbtxt").is_file()
    assert task_notes(answerer)["threshold"] == answerer.threshold


def test_without_a_threshold_each_text_with_a_word_has_an_answer(answerer: QuestionAnswerer) -> None:
    model = QuestionAnswerer(answerer.backbone, STRIDE, 4, None, tokenizer=answerer.tokenizer, length=LENGTH)
    model.head.kernel.assign(answerer.head.kernel)
    function = ServedAnswerer(model, model.tokenizer, LENGTH).functions["serving_default"]
    answers = ask(function, PAIRS)
    assert answers == model.tell(PAIRS)
    assert all(bool(one["answer"]) == (one["score"] is not None) for one in answers)


def test_the_best_spans_are_those_of_the_reference() -> None:
    generator = np.random.default_rng(0)
    rows = [np.round(generator.normal(size=(count, 2)) * 2) / 2 for count in (1, 2, 7, 12, 0, 5)]  # with equal scores
    padded = np.full((len(rows), 12, 2), -np.inf)
    for row, values in zip(padded, rows, strict=True):
        row[: len(values)] = values
    for most in (1, 3, 20):
        first, last, score = (value.numpy().tolist() for value in best_spans(tf.constant(padded), most))
        wanted = [best_span(values, most) for values in rows]
        assert list(zip(first, last, score, strict=True)) == wanted
