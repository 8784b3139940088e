from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import kpt
from kpt.export.multi_task_signatures import ServedTasks, tasks_notes
from kpt.tasks import Classifier, MultiTask, Regressor, Tagger
from tests.batches import tiny_encoder
from tests.export.reference import HOSTILE, tiny_tokenizer
from tests.numbers import randomize

TOKENIZER = tiny_tokenizer()


def tasks_of(*names: str) -> MultiTask:
    encoder = tiny_encoder(vocabulary_size=60, maximum_length=24)
    made = {
        "mood": lambda: Classifier(encoder, ("no", "yes"), length=8),
        "stars": lambda: Regressor(encoder, 2.0, 3.0, length=8, windows=4),
        "words": lambda: Tagger(encoder, ("O", "B-x", "I-x"), length=8),
        "mood_pairs": lambda: Regressor(encoder, length=8),
    }
    model = MultiTask({name: made[name]() for name in names})
    randomize(model)
    model.tokenizer = TOKENIZER
    return model


def test_each_task_has_its_signature(tmp_path: Path) -> None:
    model = tasks_of("stars", "words")
    path = kpt.export.saved_model(model, TOKENIZER, tmp_path / "tasks")
    served = tf.saved_model.load(str(path))
    assert set(served.signatures) == {
        *("serving_default", "words"),
        *("stars", "stars_regress", "stars_pairs", "stars_regress_pairs"),
    }
    texts = tf.constant(HOSTILE)
    numbers = served.signatures["stars"](texts=texts)["numbers"]
    np.testing.assert_allclose(numbers, model.tasks["stars"].predict(HOSTILE, verbose=0), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(served.signatures["serving_default"](texts=texts)["numbers"], numbers)
    told = model.tasks["words"].tell(HOSTILE)
    found = served.signatures["words"](texts=texts)
    for row, (count, one) in enumerate(zip(found["entity_count"].numpy(), told, strict=True)):
        begins = [entity["begin"] for entity in one["entities"]]
        assert found["begins"].numpy()[row, :count].tolist() == begins
    # The encoder is there once.
    stored = [np.prod(shape) for _, shape in tf.train.list_variables(str(path / "variables" / "variables")) if shape]
    assert sum(stored) == sum(int(np.prod(weight.shape)) for weight in model.weights)
    notes = tasks_notes(tasks_of("mood", "stars"))
    assert (notes["kind"], list(notes["tasks"])) == ("multi_task", ["mood", "stars"])
    assert notes["tasks"]["mood"]["labels"] == ["no", "yes"]


def test_signatures_of_one_name_are_refused() -> None:
    with pytest.raises(kpt.InputError, match="two signatures would be called 'mood_pairs'; give the task 'mood_pairs'"):
        ServedTasks(tasks_of("mood", "mood_pairs"), TOKENIZER, 8)
