from __future__ import annotations

import keras
import numpy as np
import pytest

from kpt.errors import InputError
from kpt.evaluation import answer_scores
from kpt.tasks import QuestionAnswerer
from kpt.tasks.question_answerer import SpanCrossentropy, best_span
from tests.tasks.small_questions import small_encoder, small_questions, small_tokenizer


@pytest.fixture(scope="module")
def answerer() -> QuestionAnswerer:
    keras.utils.set_random_seed(0)
    tokenizer = small_tokenizer()
    model = QuestionAnswerer(small_encoder(tokenizer), tokenizer=tokenizer, threshold=None, dropout=0.0, stride=4)
    model.compile(optimizer=keras.optimizers.AdamW(4e-3))
    pairs, answers = small_questions(512, 1)
    model.fit(pairs, answers, batch_size=32, epochs=6, verbose=0)
    return model


def test_it_learns_to_answer_questions_that_it_has_not_seen(answerer: QuestionAnswerer) -> None:
    pairs, answers = small_questions(64, 2)
    golds = [[text[begin:end]] for (_, text), (begin, end) in zip(pairs, answers, strict=True)]
    told = answerer.tell(pairs)
    assert answer_scores(golds, [one["answer"] for one in told])["exact_match"] >= 0.95
    right = [(one["start"], one["end"]) == answer for one, answer in zip(told, answers, strict=True)]
    assert np.mean(right) >= 0.95


def test_windows_give_the_answer_of_one_long_window(answerer: QuestionAnswerer) -> None:
    pairs, _ = small_questions(24, 3)
    whole = answerer.tell(pairs)
    answerer.length = 12
    try:
        assert len(answerer.batches(pairs).maker.texts) > len(pairs)
        parts = answerer.tell(pairs)
    finally:
        answerer.length = 64
    same = [one["start"] == other["start"] for one, other in zip(whole, parts, strict=True)]
    assert np.mean(same) >= 0.95


def test_offsets_are_characters(answerer: QuestionAnswerer) -> None:
    text = "😀👩‍👩‍👧 cafe\u0301 . we saw dark red . "
    (told,) = answerer.tell([("colour", text)])
    assert text[told["start"] : told["end"]] == told["answer"]
    begin = text.index("dark")
    encoded = answerer.examples(["colour"], [text], [(begin, begin + 8)]).encoded
    first, columns = encoded.words(0)
    start, end = encoded.labels([(begin, begin + 8)])[0]
    spans = encoded.spans[0]
    places = {int(column): first + number for number, column in enumerate(columns)}
    assert text[spans[places[int(start)], 0] : spans[places[int(end)], 1]] == "dark red"


def test_no_answer(answerer: QuestionAnswerer) -> None:
    (told,) = answerer.tell([("colour", "we saw red .")])
    assert told["answer"] and told["score"] is not None
    answerer.threshold = told["score"] + 1
    try:
        (silent,) = answerer.tell([("colour", "we saw red .")])
    finally:
        answerer.threshold = None
    assert silent == {"answer": "", "start": 0, "end": 0, "score": told["score"]}
    assert answerer.tell([("colour", " ")]) == [{"answer": "", "start": 0, "end": 0, "score": None}]


def test_loss_is_the_mean_of_two_cross_entropies() -> None:
    z = np.random.default_rng(0).normal(size=(3, 5, 2))
    y = np.array([[0, 0], [1, 3], [4, 4]])
    exact = [np.log(np.exp(z[i]).sum(axis=0)) - z[i, y[i], [0, 1]] for i in range(3)]
    assert float(SpanCrossentropy()(y, z.astype("float32"))) == pytest.approx(np.mean(exact), rel=1e-5)


def test_best_span_against_trying_each() -> None:
    generator = np.random.default_rng(0)
    for size in range(1, 9):
        z = generator.normal(size=(size, 2))
        tried = {(i, j): z[i, 0] + z[j, 1] for i in range(size) for j in range(i, min(size, i + 3))}
        best = max(tried, key=lambda span: tried[span])
        assert best_span(z, 3) == (*best, tried[best])
    assert best_span(np.zeros((0, 2)), 3) == (0, 0, -np.inf)


def test_refusals(answerer: QuestionAnswerer) -> None:
    with pytest.raises(InputError, match="a question needs a text"):
        answerer.tell(["hat"])
    with pytest.raises(InputError, match=r"question 0: the answer \(50, 60\) has no word"):
        answerer.batches([("colour", "we saw red .")], [(50, 60)])
    with pytest.raises(InputError, match="stride is 0"):
        QuestionAnswerer(answerer.backbone, stride=0)
