from __future__ import annotations

import numpy as np
import pytest

from kpt.errors import InputError
from kpt.generation import zero_shot
from kpt.generation.zero_shot import between_space, template_parts
from tests.generation.small_model import decoder, tokenizer
from tests.generation.test_scoring import log_probability

TEXTS = ["a fine mop", "no", ""]
LABELS = ["good", "bad", "a dead end"]
TEMPLATE = "film, {text}. {label}."


def f(text: str, label: str, normalized: bool) -> float:
    head = [tokenizer().vocabulary.end_id, *tokenizer().encode([f"film, {text}."]).values.tolist()]
    tail = tokenizer().encode([f" {label}."]).values.tolist()
    return log_probability(head + tail, len(head)) / (len(tail) if normalized else 1)


@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("corrected", [True, False])
def test_probabilities_are_those_of_the_formula(normalized: bool, corrected: bool) -> None:
    probabilities = zero_shot(
        decoder(), tokenizer(), TEXTS, LABELS, TEMPLATE,
        length_normalized=normalized, prior_correction=corrected, batch_size=4,
    )  # fmt: skip
    scores = np.array([[f(text, label, normalized) for label in LABELS] for text in TEXTS])
    if corrected:
        scores -= [f("", label, normalized) for label in LABELS]
    expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities, expected, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert np.ptp(probabilities) > 0.05


def test_no_texts_have_no_probabilities() -> None:
    assert zero_shot(decoder(), tokenizer(), [], ["b", "c"]).shape == (0, 2)


def test_templates() -> None:
    assert template_parts("{text} {label}") == ("", " ", "")
    assert between_space(" It is: \n") == " \n"
    for wrong in ("{text}", "{label} {text}", "{text} {label} {label}", "{text} {text} {label}", ""):
        with pytest.raises(InputError, match=r"give a text with \{text\} once and after it \{label\} once"):
            template_parts(wrong)


def test_wrong_arguments_are_refused() -> None:
    for labels in ([], ["a", "a"], ["a", ""]):
        with pytest.raises(InputError, match="give one or more, all different and none empty"):
            zero_shot(decoder(), tokenizer(), ["a"], labels)
    with pytest.raises(InputError, match="texts is one text, 'a'; give a list"):
        zero_shot(decoder(), tokenizer(), "a", ["b"])
