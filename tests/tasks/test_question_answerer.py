from __future__ import annotations

import random

import keras
import numpy as np
import pytest

import kpt
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
    pairs, answers = small_questions(1024, 1)
    model.fit(pairs, answers, batch_size=32, epochs=12, verbose=0)
    return model


def test_it_learns_to_answer_questions_that_it_has_not_seen(answerer: QuestionAnswerer) -> None:
    pairs, answers = small_questions(64, 2)
    golds = [[text[begin:end]] for (_, text), (begin, end) in zip(pairs, answers, strict=True)]
    told = answerer.tell(pairs)
    assert answer_scores(golds, [one["answer"] for one in told])["exact_match"] >= 0.9
    right = [(one["start"], one["end"]) == answer for one, answer in zip(told, answers, strict=True)]
    assert np.mean(right) >= 0.9


def tokens_alone(vocabulary_size: int) -> keras.Model:
    """A backbone whose output at a token depends on that token alone."""
    ids = keras.Input((None,), dtype="int32", name="token_ids")
    vectors = keras.layers.Embedding(vocabulary_size, 8, embeddings_initializer="normal")
    model = keras.Model({"token_ids": ids}, {"sequence": vectors(ids)})
    model.width = 8
    return model


def test_windows_give_exactly_the_answer_of_one_long_window() -> None:
    keras.utils.set_random_seed(0)
    letters = "abcdefghijklmnopqrstuvwxyz"
    tokenizer = kpt.WordPieceTokenizer.train([" ".join(letters)] * 2, 57)
    model = QuestionAnswerer(tokens_alone(tokenizer.vocabulary.size), tokenizer=tokenizer, answer_words=6)
    model.head.kernel.assign(np.random.default_rng(0).normal(size=(8, 2)))
    generator = random.Random(0)
    pairs = [
        ("a b"[: generator.choice([1, 3])], " ".join(generator.choices(letters, k=generator.randint(1, 40))))
        for _ in range(60)
    ]
    whole = model.tell(pairs)
    assert len({one["answer"] for one in whole}) > 10 and any(not one["answer"] for one in whole)
    for length, stride in ((12, 3), (12, 8), (20, 5), (9, 1)):
        model.length, model.stride = length, stride
        encoded = model.batches(pairs).maker.encoded
        assert len(encoded.owners) > 2 * len(pairs)
        parts = model.tell(pairs)
        assert [one.pop("score") for one in parts] == pytest.approx([one["score"] for one in whole], abs=1e-4)
        assert parts == [{name: one[name] for name in ("answer", "start", "end")} for one in whole]
    assert max(len(one["answer"].split()) for one in whole) == 6  # a window of the last lengths has room for 5 words


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
