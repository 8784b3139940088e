from __future__ import annotations

import itertools

import numpy as np

from kpt.generation import generate
from tests.generation.small_model import decoder
from tests.generation.test_scoring import log_probabilities

PROMPT = [3, 4, 5, 6]


def test_with_a_beam_for_every_text_the_most_probable_one_is_found() -> None:
    size = decoder().vocabulary_size
    texts = [list(each) for each in itertools.product(range(size), repeat=2)]
    best = texts[int(log_probabilities([PROMPT + text for text in texts], len(PROMPT)).argmax())]
    found = generate(decoder(), None, [PROMPT], max_new_tokens=2, num_beams=size, num_return_sequences=3)
    assert found[0] == best
    ranks = log_probabilities([PROMPT + text for text in found], len(PROMPT)).tolist()
    assert ranks == sorted(ranks, reverse=True)
    assert len({tuple(text) for text in found}) == 3


def test_the_length_penalty_prefers_short_or_long_texts() -> None:
    stops = np.arange(0, decoder().vocabulary_size, 2).tolist()
    sizes = {
        penalty: len(
            generate(decoder(), None, [PROMPT], max_new_tokens=8, num_beams=3, stop=stops, length_penalty=penalty)[0]
        )
        for penalty in (-2.0, 4.0)
    }
    assert sizes[-2.0] < sizes[4.0]


def test_a_row_does_not_depend_on_its_batch() -> None:
    rows = [PROMPT, PROMPT[1:], PROMPT]
    together = generate(decoder(), None, rows, max_new_tokens=6, num_beams=3, no_repeat_ngram_size=2)
    assert (
        together[0]
        == together[2]
        == generate(decoder(), None, rows[:1], max_new_tokens=6, num_beams=3, no_repeat_ngram_size=2)[0]
    )
