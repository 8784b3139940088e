from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from kpt import InputError, WordPieceTokenizer
from kpt.tasks import Tagger
from tests.tasks.small_task import small_encoder

NAMES = ("anna", "paul", "bell")
SENTENCES = [
    [*begin, *name, *end]
    for begin in ([], ["then"], ["the", "song"])
    for name in ([first] for first in NAMES)
    for end in (["sings"], ["sang", "it"])
] + [["then", one, other, "sang"] for one in NAMES for other in NAMES if one != other]
TAGS = [
    ["O" if word not in NAMES else "I-person" if number and words[number - 1] in NAMES else "B-person"
     for number, word in enumerate(words)]
    for words in SENTENCES
]  # fmt: skip
LABELS = ("O", "B-person", "I-person")
TOKENIZER = WordPieceTokenizer.train([" ".join(words) for words in SENTENCES], 50)


def tagger(**options: object) -> Tagger:
    keras.utils.set_random_seed(0)
    return Tagger(small_encoder(TOKENIZER), LABELS, tokenizer=TOKENIZER, dropout=0.0, **options)


def test_tags_are_learned_told_and_kept(tmp_path: Path) -> None:
    model = tagger()
    model.compile(keras.optimizers.Adam(1e-2))
    history = model.fit(SENTENCES, TAGS, batch_size=6, epochs=12, verbose=0).history
    assert history["loss"][-1] < 0.3 * history["loss"][0] and history["accuracy"][-1] == 1
    assert model.tag(SENTENCES) == TAGS
    text = "Then  Anna Bell sang, 👩\u200d👧 Paul."
    (told,) = model.tell([text])
    kinds = [(each["type"], each["text"], text[each["begin"] : each["end"]]) for each in told["entities"]]
    assert ("person", "Anna Bell", "Anna Bell") in kinds
    assert all(0 < each["probability"] <= 1 for each in told["entities"])
    assert model.tell([["then", "anna", "sang"]])[0]["entities"][0] | {"probability": 1} == {
        "type": "person",
        "text": "anna",
        "begin": 1,
        "end": 2,
        "probability": 1,
    }
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    again.tokenizer = TOKENIZER
    for one, other in zip(again.predict(SENTENCES[:5]), model.predict(SENTENCES[:5]), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_loss_is_the_mean_over_first_pieces() -> None:
    model = tagger()
    model.compile("sgd")
    loss, accuracy = model.evaluate(SENTENCES, TAGS, batch_size=len(SENTENCES), verbose=0)
    logits = np.concatenate(model.predict(SENTENCES)).astype("float64")
    truth = np.concatenate(model.targets(TAGS))
    each = np.logaddexp.reduce(logits, axis=1) - logits[np.arange(len(truth)), truth]
    assert loss == pytest.approx(each.mean(), rel=1e-4)
    assert accuracy == pytest.approx((logits.argmax(axis=1) == truth).mean(), abs=1e-6)


def test_order_length_and_nothing() -> None:
    model = tagger(length=6)
    texts = ["anna sang " * 9, "", "then anna", ["it"]]
    together = model.predict(texts, batch_size=2)
    assert [len(logits) for logits in together] == [4, 0, 2, 1]
    np.testing.assert_allclose(model.predict(texts[2:3])[0], together[2], atol=1e-5)
    assert model.tag(texts)[0][4:] == ["O"] * 14 and model.tag(texts)[1] == []
    assert model.tell([""]) == [{"entities": []}] and model.tell([]) == [] and model.tag([]) == []


def test_refusals() -> None:
    encoder = small_encoder(TOKENIZER)
    for labels in ("O", ["O"], ["O", "person"], ["B-x", "I-x"], ["O", "B-x", "B-x"]):
        with pytest.raises(InputError, match="give O, and B-TYPE and I-TYPE for each type"):
            Tagger(encoder, labels)
    model = tagger()
    model.compile()
    with pytest.raises(InputError, match="text 1 has 2 words and 1 tags"):
        model.fit([["a"], ["a", "b"]], [["O"], ["O"]], verbose=0)
    with pytest.raises(InputError, match="the label 'B-x' is not among"):
        model.fit([["a"]], [["B-x"]], verbose=0)
    with pytest.raises(InputError, match=r"text 1 is .* neither a string nor a list of words"):
        model.batches(["a", 7])
