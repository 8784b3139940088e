from __future__ import annotations

import keras
import numpy as np
import pytest

from kpt.errors import InputError
from kpt.evaluation import attributions
from kpt.evaluation.attributions import token_attributions
from kpt.models import Decoder
from kpt.tasks import Classifier, Regressor, Tagger
from tests.tasks.small_task import LABELS, TEXTS, small_encoder, small_tokenizer

TEXT = "a good end and a bad end"


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    keras.utils.set_random_seed(0)
    tokenizer = small_tokenizer()
    encoder = small_encoder(tokenizer, width=32)
    model = Classifier(encoder, ["neg", "pos"], tokenizer=tokenizer, length=16, windows=2)
    model.compile(optimizer=keras.optimizers.Adam(3e-3))
    model.fit(TEXTS, LABELS, epochs=10, batch_size=10, verbose=0)
    return model


def test_the_values_add_up_and_tell_the_word_that_matters(classifier: Classifier) -> None:
    found = token_attributions(classifier, TEXT, label="pos")
    assert found.pieces == ["[CLS]", *TEXT.split(), "[SEP]"]
    assert found.output == pytest.approx(float(classifier.predict([TEXT])[0, 1]), abs=1e-4)
    assert abs(found.gap) < 0.01 * abs(found.values).sum()  # completeness
    assert found.values[0] == found.values[-1] == 0
    assert found.values[2] == abs(found.values).max()  # good
    against = token_attributions(classifier, TEXT, label="neg").values
    assert against[2] == -abs(against).max()
    # What was patched for a moment is as it was.
    assert classifier.predict([TEXT])[0, 1] == pytest.approx(found.output, abs=1e-4)


def test_the_most_probable_label_is_explained(classifier: Classifier) -> None:
    assert [token_attributions(classifier, text, steps=1).label for text in (TEXTS[0], TEXTS[-1])] == ["pos", "neg"]


def test_the_steps_are_doubled_until_the_values_add_up(classifier: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    fine = token_attributions(classifier, TEXT, label="pos", steps=4)
    assert abs(fine.gap) <= 0.01 * abs(fine.values).sum()
    monkeypatch.setattr(attributions, "DOUBLINGS", 0)
    coarse = token_attributions(classifier, TEXT, label="pos", steps=1)
    assert abs(coarse.gap) > abs(fine.gap)


def test_pairs_and_numbers_and_decoders() -> None:
    tokenizer = small_tokenizer()
    regressor = Regressor(small_encoder(tokenizer), 2.0, 3.0, tokenizer=tokenizer, length=16)
    found = token_attributions(regressor, "a good film", "a bad end")
    assert found.label is None and found.pieces.count("[SEP]") == 2
    assert abs(found.gap) < 1e-3
    decoder = Decoder(tokenizer.vocabulary.size, width=16, depth=1, heads=2, maximum_length=32, dropout=0.0)
    model = Classifier(decoder, ["a", "b"], pooling="last", tokenizer=tokenizer, length=16)
    assert abs(token_attributions(model, "a good film").gap) < 1e-3


def test_refusals(classifier: Classifier) -> None:
    with pytest.raises(InputError, match="no label 'good'; it has neg, pos"):
        token_attributions(classifier, TEXT, label="good")
    with pytest.raises(InputError, match="the text ' ' has no token"):
        token_attributions(classifier, " ")
    with pytest.raises(InputError, match="steps is 0"):
        token_attributions(classifier, TEXT, steps=0)
    tagger = Tagger(small_encoder(small_tokenizer()), ["O", "B-x", "I-x"])
    with pytest.raises(InputError, match="a Tagger has no one output for a text"):
        token_attributions(tagger, TEXT)
    with pytest.raises(InputError, match="has no tokenizer"):
        token_attributions(Classifier(small_encoder(small_tokenizer()), ["a", "b"]), TEXT)
    regressor = Regressor(small_encoder(small_tokenizer()), tokenizer=small_tokenizer())
    with pytest.raises(InputError, match="the model tells a number; leave it out"):
        token_attributions(regressor, TEXT, label="pos")
    assert np.isfinite(token_attributions(classifier, TEXT, steps=2).values).all()
