from __future__ import annotations

from typing import Any

import pytest

from kpt import InputError
from kpt.training.word2vec_settings import Word2VecSettings, fitting_length


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"architecture": "skipgram"}, "did you mean skip-gram"),
        ({"width": 0}, "width is 0; give 1 or more"),
        ({"negatives": 0}, "negatives is 0"),
        ({"checkpoint_every": 0}, "checkpoint_every is 0; give 1 or more"),
        ({"keep": 0}, "keep is 0; give 1 or more"),
        ({"sample": -1.0}, "sample is -1.0"),
        ({"sample": float("nan")}, "sample is nan"),
        ({"length": 100}, "length is 100; give a multiple of 16"),
        ({"length": 32, "architecture": "cbow"}, "length is 32; give a multiple of 64"),
        ({"window": 20}, "window is 20; give 16 or less for skip-gram"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_wrong_settings(values: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Word2VecSettings(**values)


def test_an_architecture_has_its_own_rate_and_blocks() -> None:
    assert Word2VecSettings().peak == 0.03 and Word2VecSettings(architecture="cbow").peak == 0.075
    assert Word2VecSettings(architecture="cbow", learning_rate=0.1).peak == 0.1


@pytest.mark.parametrize("words", [1, 5_000, 20_000, 2_700_000])
def test_small_stores_have_examples_enough(words: int) -> None:
    for longest in (2048, 4096):
        length = fitting_length(words, longest)
        assert length % 64 == 0 and (length == 128 or length * 64 <= words) and length <= longest
