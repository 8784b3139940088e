from __future__ import annotations

import numpy as np
import pytest

from kpt.data import LabelledExamples, encode_texts
from kpt.tasks import Classifier, MultiTask, Tagger
from kpt.training.fisher import diagonal_fisher, drawn_labels, squared_gradients
from tests.numbers import array
from tests.tasks.small_task import TEXTS, small_encoder
from tests.training.vector_tasks import TOKENIZER, vector_examples, vector_gradients, vector_tasks

ROWS = [0, 3, 7, 29, 15]


@pytest.mark.parametrize("task", ["mood", "stars"])
def test_squares_of_gradients_are_those_of_the_formula(task: str) -> None:
    model, examples = vector_tasks(), vector_examples()
    before = array(model.backbone.trainable_variables[0].value)
    (found,) = squared_gradients(model, examples, task, ROWS)
    wanted = (vector_gradients(model, examples[task], task, ROWS) ** 2).mean(axis=0)
    assert wanted.max() > 1e-4
    np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=1e-9)
    np.testing.assert_array_equal(array(model.backbone.trainable_variables[0].value), before)  # nothing is trained


def test_the_fisher_information_is_the_expectation_over_what_the_model_says() -> None:
    model, examples = vector_tasks(), vector_examples()
    many = LabelledExamples(
        encode_texts(TOKENIZER, [TEXTS[4]] * 300, length=16), TOKENIZER.vocabulary, np.zeros(300, int)
    )
    (found,) = diagonal_fisher(model, {**examples, "mood": many}, "mood", range(300), seed=1)
    chances = model.tasks["mood"].probabilities([TEXTS[4]])[0]
    wanted = np.zeros(found.shape)
    for label, chance in enumerate(chances):
        examples["mood"].labels = np.full(len(TEXTS), label, np.int32)
        wanted += chance * vector_gradients(model, examples["mood"], "mood", [4])[0] ** 2
    assert wanted.max() > 1e-4 and 0.2 < chances[0] < 0.8
    np.testing.assert_allclose(found, wanted, rtol=0.1)


def test_labels_are_drawn_from_the_probabilities() -> None:
    model, examples = vector_tasks(), vector_examples()
    mood = model.tasks["mood"]
    chances = mood.probabilities(TEXTS)[:, 1]
    draws = [drawn_labels(mood, examples["mood"], range(30), np.random.default_rng(seed)) for seed in range(30)]
    assert np.mean(draws, axis=0) == pytest.approx(chances, abs=0.35)
    assert np.mean(draws) == pytest.approx(chances.mean(), abs=0.05)
    some = drawn_labels(mood, examples["mood"], [2], np.random.default_rng(0))
    np.testing.assert_array_equal(np.delete(some, 2), np.delete(examples["mood"].labels, 2))
    stars = model.tasks["stars"]
    noise = np.array(
        [
            drawn_labels(stars, examples["stars"], range(30), np.random.default_rng(seed))
            - stars.predict(TEXTS, verbose=0)
            for seed in range(8)
        ]
    )
    assert noise.mean() == pytest.approx(0, abs=0.1) and noise.var() == pytest.approx(0.5, abs=0.1)


def test_tags_and_several_labels_are_drawn_too() -> None:
    encoder = small_encoder(TOKENIZER)
    model = MultiTask(
        {
            "words": Tagger(encoder, ["O", "B-x", "I-x"], length=6, tokenizer=TOKENIZER),
            "several": Classifier(encoder, ["a", "b"], multi_label=True, length=6, tokenizer=TOKENIZER),
        }
    )
    words = [text.split() for text in TEXTS[:4]]
    tagged = model.tasks["words"].batches(words, [["O"] * len(some) for some in words]).maker
    several = model.tasks["several"].batches(TEXTS[:4], [["a"]] * 4).maker
    tags = drawn_labels(model.tasks["words"], tagged, [0, 2], np.random.default_rng(0))
    assert [len(some) for some in tags] == [len(some) for some in words] and tags[0].any() and not tags[1].any()
    assert not tags[0][4:].any()  # cut off
    drawn = drawn_labels(model.tasks["several"], several, range(4), np.random.default_rng(0))
    assert set(drawn.ravel()) == {0.0, 1.0} and drawn.dtype == np.float32
    fisher = diagonal_fisher(model, {"words": tagged, "several": several}, "words", [0, 1, 3])
    assert [each.shape for each in fisher] == [weight.shape for weight in encoder.trainable_variables]
    assert all(np.isfinite(each).all() and each.max() > 0 for each in fisher)
