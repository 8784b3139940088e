from __future__ import annotations

import math

import numpy as np
import pytest

from kpt.errors import InputError
from kpt.objectives import bits_per_byte, perplexity


def test_a_uniform_model_has_the_size_of_the_vocabulary() -> None:
    assert perplexity(math.log(50_257)) == pytest.approx(50_257)
    assert perplexity(0.0) == 1.0
    assert perplexity(800.0) == math.inf


def test_perplexity_is_the_geometric_mean_of_the_inverse_probabilities() -> None:
    probabilities = np.array([0.5, 0.25, 0.125])
    assert perplexity(float(-np.log(probabilities).mean())) == pytest.approx((2 * 4 * 8) ** (1 / 3))


def test_bytes_at_random_take_eight_bits_whatever_the_tokens() -> None:
    assert bits_per_byte(math.log(256), tokens=100, byte_count=100) == pytest.approx(8.0)
    assert bits_per_byte(2 * math.log(256), tokens=50, byte_count=100) == pytest.approx(8.0)


@pytest.mark.parametrize("loss", [-0.1, math.nan])
def test_a_loss_that_is_none(loss: float) -> None:
    for score in (lambda: perplexity(loss), lambda: bits_per_byte(loss, 1, 1)):
        with pytest.raises(InputError, match="give the mean loss in nats a token, from 0 up"):
            score()


def test_counts_below_one() -> None:
    with pytest.raises(InputError, match="tokens is 0; give 1 or more"):
        bits_per_byte(1.0, 0, 1)
    with pytest.raises(InputError, match="byte_count is 0; give 1 or more"):
        bits_per_byte(1.0, 1, 0)
