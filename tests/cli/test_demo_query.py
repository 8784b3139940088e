from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from kpt.cli import demo_query


def value(array: object) -> SimpleNamespace:
    """What a signature returns, as far as it is used."""
    return SimpleNamespace(numpy=lambda: np.asarray(array))


def signatures() -> dict:
    def fill_mask(texts: object) -> dict:
        return {
            "tokens": value([[[b"cat", b"dog"], [b"", b""]]]),
            "probabilities": value([[[0.75, 0.25], [0.0, 0.0]]]),
            "mask_count": value([1]),
        }

    return {"fill_mask": fill_mask, "next_sentence": lambda first, second: {"probability": value([0.125])}}


def test_guesses_for_each_mask() -> None:
    answer = demo_query.fill_mask(signatures(), "the [MASK]")
    assert answer == {"text": "the [MASK]", "guesses": [[["cat", 0.75], ["dog", 0.25]]]}


def test_a_line_for_each_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(demo_query, "load", lambda folder: signatures())
    demo_query.main([str(tmp_path), "the [MASK]", "one ||| two"])
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["text"] == "the [MASK]"
    assert second == {"first": "one", "second": "two", "probability": 0.125}


def test_a_decoder_goes_on_with_a_text() -> None:
    def generate(prompts: object, **settings: object) -> dict:
        assert sorted(settings) == ["max_new_tokens", "seed", "temperature", "top_k", "top_p"]
        return {"texts": value([b" a mat"])}

    served = {"serving_default": generate, "score": None, "zero_shot": None}
    assert demo_query.answer(served, "the cat ||| on") == {"text": "the cat ||| on", "continuation": " a mat"}


def test_neighbours_of_a_word() -> None:
    near = {"neighbours": value([[b"dog", b""]]), "similarities": value([[0.75, 0.0]])}
    served = {"serving_default": None, "nearest": lambda words, k: near}
    assert demo_query.answer(served, "cat") == {"word": "cat", "neighbours": [["dog", 0.75]]}


def test_labels_and_numbers() -> None:
    def told(**texts: object) -> dict:
        return {"classes": value([[b"neg", b"pos"]]), "probabilities": value([[0.25, 0.75]])}

    served = {"serving_default": told, "pairs": told, "classify": None}
    answer = demo_query.answer(served, "fine ||| good")
    assert answer == {"text": "fine ||| good", "labels": {"pos": 0.75, "neg": 0.25}}
    assert list(answer["labels"]) == ["pos", "neg"] and demo_query.answer(served, "fine")["text"] == "fine"
    served = {"serving_default": lambda texts: {"numbers": value([2.5])}, "regress": None}
    assert demo_query.answer(served, "fine") == {"text": "fine", "number": 2.5}


def test_entities_of_a_text() -> None:
    class Signature:
        structured_outputs = ("entity_count",)

        def __call__(self, texts: object) -> dict:
            names = {"types": [[b"person", b""]], "entities": [[b"Anna", b""]], "entity_count": [1]}
            return {name: value(row) for name, row in {**names, "begins": [[3, 0]], "ends": [[7, 0]]}.items()}

    answer = demo_query.answer({"serving_default": Signature()}, "Is Anna here?")
    assert answer == {"text": "Is Anna here?", "entities": [["person", "Anna", 3, 7]]}


def test_without_arguments() -> None:
    with pytest.raises(SystemExit, match=r"usage: query\.py SAVED_MODEL TEXT"):
        demo_query.main([])
