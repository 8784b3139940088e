from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kpt.data import LabelledTexts
from kpt.errors import InputError
from kpt.evaluation.flips import counterfactual_flips
from kpt.evaluation.word_swaps import WordSwap
from kpt.models import Encoder
from kpt.tasks import Classifier, Regressor, Tagger
from tests.tasks.small_task import small_tokenizer

SWAPS = [WordSwap("good", "bad"), WordSwap("fine", "poor"), WordSwap("king", "queen")]
TOKENIZER = small_tokenizer()


def data_of(*texts: str, pairs: list[str] | None = None) -> LabelledTexts:
    return LabelledTexts(list(texts), pairs, ["neg"] * len(texts), [f"f, line {n}" for n in range(1, len(texts) + 1)])


class Counting(Classifier):
    """Says pos as surely as a text has more of good and fine than of bad and poor."""

    def probabilities(self, x: Any, **_: Any) -> np.ndarray:
        self.asked = list(x)
        values = []
        for text in [text if isinstance(text, str) else " ".join(text) for text in x]:
            words = text.lower().replace(",", " ").split()
            score = 2 * words.count("good") + words.count("fine") - 2 * words.count("bad") - words.count("poor")
            values.append(min(1.0, max(0.0, 0.5 + 0.1 * score)))
        return np.array([[1 - value, value] for value in values])


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(TOKENIZER.vocabulary.size, width=8, depth=1, heads=2, segments=0, dropout=0.0)


def test_flips_and_changes_of_all_and_of_each_pair(encoder: Encoder) -> None:
    model = Counting(encoder, ["neg", "pos"], tokenizer=TOKENIZER)
    data = data_of("a Good end", "the end", "bad, fine", "good and bad", "poor film")
    found = counterfactual_flips(model, data, SWAPS, resamples=200)
    # pos before and after: 0.7 0.3 | 0.4 0.6 (all), 0.8 (good/bad), 0.2 (fine/poor) | 0.5 0.5 | 0.4 0.6
    assert (found["texts"], found["flipped"], found["flip_rate"]) == (4, 3, 0.75)
    assert found["change"] == pytest.approx((0.4 + 0.2 + 0.0 + 0.2) / 4)
    low, high = found["intervals"]["flip_rate"]
    assert low < 0.75 < high <= 1 and set(found["intervals"]) == {"flip_rate", "change"}
    good, fine = found["pairs"]["good/bad"], found["pairs"]["fine/poor"]
    assert (good["texts"], good["flipped"]) == (3, 2) and good["change"] == pytest.approx(
        (0.4 + 0.4 + 0.0) / 3, abs=1e-6
    )
    # With bad in the place of good: 0.3 - 0.7, and 0.4 - 0.8; the text with both says nothing of a direction.
    assert good["shift"] == pytest.approx({"neg": 0.4, "pos": -0.4})
    assert (fine["texts"], fine["flipped"]) == (2, 1) and fine["shift"] == pytest.approx({"neg": 0.2, "pos": -0.2})
    assert found["absent"] == ["king/queen"]
    first = found["most"][0]
    assert first | {"change": round(first["change"], 6)} == {
        "change": 0.4,
        "told": "pos",
        "swapped_told": "neg",
        "place": "f, line 1",
        "text": "a Good end",
        "swapped": "a Bad end",
    }
    assert [one["place"][-1] for one in found["most"]] == ["1", "3", "5", "4"]
    assert len(model.asked) == len(set(model.asked)) and "the end" not in model.asked
    assert len(counterfactual_flips(model, data, SWAPS, resamples=0, most=2)["most"]) == 2


def test_pairs_of_texts_and_long_ones(encoder: Encoder) -> None:
    model = Counting(encoder, ["neg", "pos"], tokenizer=TOKENIZER)
    long = "x " * 300 + "good " + "y " * 300
    found = counterfactual_flips(model, data_of("the end", "the end", pairs=["a good end", long]), SWAPS, resamples=0)
    assert (found["texts"], found["flipped"]) == (2, 2) and "intervals" not in found
    short, cut = found["most"]
    assert short["swapped"] == "a bad end"
    assert cut["swapped"].startswith("\u2026") and " bad " in cut["swapped"] and len(cut["swapped"]) <= 162


def test_several_labels_and_numbers(encoder: Encoder) -> None:
    model = Counting(encoder, ["a", "b"], multi_label=True, tokenizer=TOKENIZER)
    found = counterfactual_flips(model, data_of("good", "fine"), SWAPS, resamples=0)
    assert found["flipped"] == 2 and found["most"][0]["told"] == ["b"] and found["most"][0]["swapped_told"] == ["a"]
    regressor = Regressor(encoder, 2.0, 3.0, tokenizer=TOKENIZER, length=16)
    found = counterfactual_flips(regressor, data_of("a good end", "a bad end"), SWAPS, resamples=10)
    first, second = (float(number) for number in regressor.predict(["a good end", "a bad end"]))
    assert "flipped" not in found and found["change"] == pytest.approx(abs(second - first), abs=1e-5)
    assert found["pairs"]["good/bad"]["shift"] == pytest.approx(second - first, abs=1e-5)


def test_a_classifier_that_reads_nothing_does_not_change(encoder: Encoder) -> None:
    model = Classifier(encoder, ["neg", "pos"], tokenizer=TOKENIZER, length=16)
    model.head.kernel.assign(np.zeros((8, 2)))
    found = counterfactual_flips(model, data_of("a good end", "a bad end"), SWAPS, resamples=10)
    assert (found["flipped"], found["change"], found["intervals"]["flip_rate"]) == (0, 0.0, [0.0, 0.0])


def test_refusals(encoder: Encoder) -> None:
    model = Counting(encoder, ["neg", "pos"], tokenizer=TOKENIZER)
    with pytest.raises(InputError, match="none of the 2 texts has a word of the 3 pairs; give other pairs"):
        counterfactual_flips(model, data_of("the end", "goodness"), SWAPS)
    with pytest.raises(InputError, match="a Tagger tells neither labels nor numbers"):
        counterfactual_flips(Tagger(encoder, ["O", "B-x", "I-x"]), data_of("good"), SWAPS)
