from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from kpt import InputError
from kpt.tasks import Classifier
from kpt.tasks.classifier import label_probabilities
from tests.tasks.small_task import LABELS, TEXTS, small_encoder, small_tokenizer

TOKENIZER = small_tokenizer()


def classifier(labels: tuple[str, ...] = ("neg", "pos"), seed: int = 0, **options: object) -> Classifier:
    keras.utils.set_random_seed(seed)
    return Classifier(small_encoder(TOKENIZER), labels, tokenizer=TOKENIZER, dropout=0.0, **options)


def test_probabilities_by_hand() -> None:
    logits = np.array([[1.0, 3.0, 0.0], [1000.0, -1000.0, 0.0]])
    each = np.exp([1.0, 3.0, 0.0])
    np.testing.assert_allclose(label_probabilities(logits)[0], each / each.sum())
    np.testing.assert_allclose(label_probabilities(logits)[1], [1, 0, 0])
    np.testing.assert_allclose(label_probabilities(logits, True)[0], 1 / (1 + np.exp([-1.0, -3.0, 0.0])))
    assert label_probabilities(logits, True)[1].tolist() == [1, 0, 0.5]


def test_raw_texts_are_learned_told_and_kept(tmp_path: Path) -> None:
    model = classifier()
    model.compile(keras.optimizers.Adam(1e-2))
    history = model.fit(
        TEXTS, LABELS, batch_size=10, epochs=8, validation_data=(TEXTS[::2], LABELS[::2]), verbose=0
    ).history
    assert history["loss"][-1] < 0.3 * history["loss"][0]
    assert history["val_accuracy"][-1] == 1
    assert model.classify(TEXTS) == LABELS
    assert model.classify(["a great great end", "bad bad"]) == ["pos", "neg"]
    told = model.tell(["bad bad"])[0]
    assert told["label"] == "neg" and sum(told["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    loss, accuracy = model.evaluate(TEXTS, LABELS, verbose=0)
    assert accuracy == 1 and loss < 0.3 * history["loss"][0]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert (again.labels, again.tokenizer) == (("neg", "pos"), None)
    again.tokenizer = TOKENIZER
    np.testing.assert_array_equal(again.predict(TEXTS, verbose=0), model.predict(TEXTS, verbose=0))
    slots = [keras.ops.convert_to_numpy(value) for value in again.optimizer.variables]
    assert len(slots) == len(model.optimizer.variables) and int(slots[0]) == 24
    again.fit(TEXTS, LABELS, verbose=0)  # compiled as it was


def test_predictions_come_in_the_order_of_the_texts_whatever_their_length() -> None:
    model = classifier()
    texts = ["good " * 9, "bad", "a film " * 4, "a poor end", ""]
    together = model.predict(texts, batch_size=2, verbose=0)
    alone = np.concatenate([model.predict([text], verbose=0) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_pairs_are_told_from_their_parts() -> None:
    keras.utils.set_random_seed(0)
    model = Classifier(small_encoder(TOKENIZER, segments=2), ("no", "yes"), tokenizer=TOKENIZER)
    one, other = model.predict([("good film", "bad"), ("good", "film bad")], verbose=0)
    assert np.abs(one - other).max() > 1e-4
    cut = model.predict([("good " * 50, "bad " * 50), ("good " * 14, "bad " * 15)], verbose=0)
    assert model.batches([("good " * 50, "bad")]).maker.texts.cut == 1 and cut.shape == (2, 2)


def test_several_labels_of_a_text() -> None:
    labels = [[word for word in ("film", "good", "bad") if word in text.split()] for text in TEXTS]
    model = classifier(("film", "good", "bad"), multi_label=True)
    model.compile(keras.optimizers.Adam(2e-2))
    model.fit(TEXTS, labels, batch_size=10, epochs=30, verbose=0)
    assert model.classify(TEXTS) == [tuple(some) for some in labels]
    assert model.probabilities(["film"]).shape == (1, 3)
    told = model.tell(TEXTS[:1])[0]
    assert told["labels"] == labels[0] and list(told["probabilities"]) == ["film", "good", "bad"]


def test_weights_count_in_the_loss() -> None:
    model = classifier()
    model.compile("sgd")
    logits = model.predict(TEXTS, verbose=0).astype("float64")
    truth = np.array([LABELS[row] == "pos" for row in range(30)], int)
    each = -np.log(label_probabilities(logits)[np.arange(30), truth])
    weights = np.where(truth, 3.0, 0.5)
    loss, _ = model.evaluate(TEXTS, LABELS, batch_size=30, sample_weight=weights, verbose=0)
    assert loss == pytest.approx((each * weights).mean(), rel=1e-4)


def test_refusals() -> None:
    for labels in (["a"], ["a", "a"], "ab"):
        with pytest.raises(InputError, match="two or more different names"):
            Classifier(small_encoder(TOKENIZER), labels)
    model = classifier()
    model.compile()
    with pytest.raises(InputError, match="30 texts"):
        model.fit(TEXTS, LABELS[:3], verbose=0)
    with pytest.raises(InputError, match="text 0: the label 'good' is not among those of the training"):
        model.fit(["x"], ["good"], verbose=0)
