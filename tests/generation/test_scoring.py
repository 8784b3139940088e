from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from keras import ops

from kpt.errors import InputError
from kpt.generation import score
from kpt.generation.scoring import beginning, log_likelihoods
from tests.generation.small_model import LETTERS, decoder, tokenizer

TEXTS = ["a", "hello mop", "", LETTERS, "fig, e"]


def log_probability(ids: list[int], first: int) -> float:
    """The sum over the tokens from `first` on, one text alone, in float64."""
    return float(log_probabilities([ids], first)[0])


def log_probabilities(rows: list[list[int]], first: int) -> np.ndarray:
    """The same of texts of one length; the model is given its whole length, so that the backend compiles once."""
    length = len(rows[0])
    ids = np.pad(np.array(rows, np.int32), ((0, 0), (0, decoder().maximum_length - length)))
    outputs: Any = decoder()({"token_ids": ops.convert_to_tensor(ids)})
    logits = ops.convert_to_numpy(decoder().logits(outputs["sequence"])).astype(np.float64)
    logarithms = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return np.take_along_axis(logarithms[:, first - 1 : length - 1], ids[:, first:length, None], -1).sum(axis=(1, 2))


def test_texts_are_as_probable_as_their_tokens() -> None:
    scores = score(decoder(), tokenizer(), TEXTS, batch_size=2)
    end = tokenizer().vocabulary.end_id
    rows = [[end, *tokenizer().encode([text]).values.tolist()] for text in TEXTS]
    assert scores.token_count.tolist() == [len(text) for text in TEXTS]
    np.testing.assert_allclose(scores.log_likelihood, [log_probability(row, 1) for row in rows], rtol=1e-5, atol=1e-5)


def test_without_an_end_of_text_the_first_token_does_not_count() -> None:
    assert beginning(tokenizer(end=False)) == []
    scores = score(decoder(), tokenizer(end=False), ["hello", "h", ""])
    ids = tokenizer(end=False).encode(["hello"]).values.tolist()
    assert scores.token_count.tolist() == [4, 0, 0]
    np.testing.assert_allclose(scores.log_likelihood, [log_probability(ids, 1), 0, 0], rtol=1e-5)


def test_only_the_end_of_a_row_counts() -> None:
    row = tokenizer().encode(["hello mop"]).values.tolist()
    scores = log_likelihoods(decoder(), [row, row], [3, 8])
    np.testing.assert_allclose(scores.log_likelihood, [log_probability(row, 3), log_probability(row, 8)], rtol=1e-5)
    assert scores.token_count.tolist() == [6, 1]


def test_wrong_texts_are_refused() -> None:
    with pytest.raises(InputError, match="texts is one text, 'abc'; give a list"):
        score(decoder(), tokenizer(), "abc")
    with pytest.raises(InputError, match="text 1 has 71 tokens, and the model has 64 positions; shorten it"):
        score(decoder(), tokenizer(), ["a", "a" * 70])
