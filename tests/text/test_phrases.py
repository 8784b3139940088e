from __future__ import annotations

import pickle
import random

import pytest
from gensim.models.phrases import Phrases as GensimPhrases

from kpt.errors import InputError
from kpt.text import Document, Phrases

TEXTS = ["new york is in new england", "a new day in new york", "new york\nis here"]


def test_scores_are_the_formula() -> None:
    phrases = Phrases.train(TEXTS, minimum_frequency=1, threshold=0.1)
    # 8 words (new 5, york 3, is 2, in 2, england, a, day, here); 9 pairs, none across the line end
    scores = {"in new": (2 - 1) / (2 * 5) * (8 + 9), "new york": (3 - 1) / (5 * 3) * (8 + 9)}
    assert phrases.scores == pytest.approx(scores)


@pytest.mark.parametrize(("minimum_frequency", "threshold"), [(5, 10.0), (2, 1.0), (3, 50.0)])
def test_phrases_and_joined_texts_are_gensims(minimum_frequency: int, threshold: float) -> None:
    generator = random.Random(minimum_frequency)
    weights = [1 / rank for rank in range(1, 301)]
    names = [f"w{rank}" for rank in range(1, 301)] + [f"p{i} q{i} r{i}" for i in range(20)]
    texts = [" ".join(generator.choices(names, [*weights, *[0.02] * 20], k=30)) for _ in range(400)]
    lists = [text.split() for text in texts]
    reference = GensimPhrases(lists, min_count=minimum_frequency, threshold=threshold)
    phrases = Phrases.train(texts, minimum_frequency=minimum_frequency, threshold=threshold)
    expected = {name.replace("_", " "): score for name, score in reference.find_phrases(lists).items()}
    assert len(phrases.scores) > 20
    for phrase, score in expected.items():
        assert phrases.scores[phrase] == pytest.approx(score)
    assert [phrases.join(words) for words in lists] == [reference[words] for words in lists]


def test_lines_stay_lines_and_documents_documents() -> None:
    phrases = Phrases({"new york": 20.0}, lowercase=True)
    assert phrases("In  New York\nNEW\nyork new york york") == "in new_york\nnew\nyork new_york york"
    document = Document("to new york", label="x", id="1")
    assert list(phrases.apply([document])) == [Document("to new_york", label="x", id="1")]
    assert pickle.loads(pickle.dumps(phrases))("new york") == "new_york"


def test_phrases_of_phrases_are_longer() -> None:
    texts = ["the new york times", "new york times", "a new york times"] * 3 + ["new", "times", "york"]
    once = Phrases.train(texts, minimum_frequency=1, threshold=0.5)
    twice = Phrases.train(once.apply(texts), minimum_frequency=1, threshold=0.5)
    assert twice(once("new york times")) in ("new_york_times", "new york_times", "new_york times")
    assert any(len(phrase.split("_")) > 1 for phrase in twice.scores)


def test_what_does_not_fit_is_refused() -> None:
    for arguments, message in (
        ({"corpus": "a b"}, "one string"),
        ({"corpus": [], "minimum_frequency": 0}, "minimum_frequency is 0"),
        ({"corpus": [], "threshold": 0}, "threshold is 0"),
        ({"corpus": [], "delimiter": " "}, "delimiter is ' '"),
    ):
        with pytest.raises(InputError, match=message):
            Phrases.train(**arguments)
    with pytest.raises(InputError, match="not of two words"):
        Phrases({"a": 1.0})
