from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from keras import ops

from kpt.errors import InputError
from kpt.generation.sampling import Sampling, adjust, draw, sample, sample_by_tensors
from kpt.generation.uniform import uniform

COUNT = 50_000
LOGITS = np.array([2.0, -1.0, 0.5, 1.5, 1.4, -3.0, 0.0, 1.0], np.float32)


def probabilities(sampling: Sampling) -> np.ndarray:
    """The exact distribution, token by token in float64."""
    values = LOGITS.astype(np.float64) / sampling.temperature
    order = np.argsort(-values)
    kept = list(order[: sampling.top_k or len(order)])
    each = np.exp(values - values.max())
    total = each[kept].sum()
    if sampling.top_p is not None:
        nucleus, mass = [], 0.0
        for token in kept:
            if mass >= sampling.top_p:
                break
            nucleus.append(token)
            mass += each[token] / total
        kept = nucleus
    kept = [token for token in kept if each[token] >= (sampling.min_p or 0) * each[kept[0]]]
    result = np.zeros(len(values))
    result[kept] = each[kept] / each[kept].sum()
    return result


def drawn(sampling: Sampling, seed: int = 1) -> np.ndarray:
    values = ops.convert_to_tensor(np.tile(LOGITS, (COUNT, 1)))
    numbers = uniform(seed, np.arange(COUNT, dtype=np.int32), 3)
    return ops.convert_to_numpy(sample(values, numbers, sampling.shape, sampling.numbers))


# The 0.999 quantiles of chi-squared by degrees of freedom.
QUANTILES = {1: 10.83, 2: 13.82, 3: 16.27, 4: 18.47, 5: 20.52, 6: 22.46, 7: 24.32}


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=1.0),
        Sampling(temperature=0.6),
        Sampling(temperature=2.5),
        Sampling(top_k=3),
        Sampling(top_p=0.8),
        Sampling(min_p=0.3),
        Sampling(temperature=1.5, top_k=6, top_p=0.9, min_p=0.2),
    ],
    ids=str,
)
def test_tokens_are_drawn_with_their_probabilities(sampling: Sampling) -> None:
    expected = probabilities(sampling)
    counts = np.bincount(drawn(sampling), minlength=len(LOGITS))
    possible = expected > 0
    assert counts[~possible].sum() == 0
    statistic = ((counts - COUNT * expected)[possible] ** 2 / (COUNT * expected[possible])).sum()
    assert statistic < QUANTILES[possible.sum() - 1]


def test_a_wrong_distribution_would_be_found() -> None:
    expected = probabilities(Sampling(temperature=1.03))
    counts = np.bincount(drawn(Sampling(temperature=1.0)), minlength=len(LOGITS))
    assert ((counts - COUNT * expected) ** 2 / (COUNT * expected)).sum() > QUANTILES[7]


def test_the_seed_decides() -> None:
    assert (drawn(Sampling(top_k=4)) == drawn(Sampling(top_k=4))).all()
    assert (drawn(Sampling(top_k=4), seed=2) != drawn(Sampling(top_k=4))).mean() > 0.5


def test_the_most_probable_token() -> None:
    values = ops.convert_to_tensor(np.stack([LOGITS, LOGITS[::-1]]))
    for sampling in (Sampling(), Sampling(temperature=0.0, top_k=3), Sampling(top_k=1), Sampling(top_p=1e-9)):
        zeros = ops.convert_to_tensor(np.array([0.0, 0.999], np.float32))
        assert ops.convert_to_numpy(sample(values, zeros, sampling.shape, sampling.numbers)).tolist() == [0, 7]


def test_a_draw_never_gives_what_is_out() -> None:
    values = ops.convert_to_tensor(np.array([[-np.inf, 0.0, -np.inf, 0.0, -np.inf]] * 4, np.float32))
    numbers = ops.convert_to_tensor(np.array([0.0, 0.499, 0.501, 1 - 2.0**-24], np.float32))
    assert ops.convert_to_numpy(draw(values, numbers)).tolist() == [1, 1, 3, 3]


@pytest.mark.parametrize(
    "temperature, top_k, top_p", [(0.0, 0, 1.0), (0.7, 0, 1.0), (1.0, 3, 1.0), (1.3, 0, 0.8), (1.0, 5, 0.7)]
)
def test_settings_as_tensors_choose_alike(temperature: float, top_k: int, top_p: float) -> None:
    rows = 500
    values = ops.convert_to_tensor(np.random.default_rng(0).normal(0, 2, (rows, 11)).astype(np.float32))
    numbers = uniform(0, np.arange(rows, dtype=np.int32), 0)
    sampling = Sampling(temperature, top_k, top_p)
    tensors = [
        ops.convert_to_tensor(np.asarray(each, kind))
        for each, kind in ((temperature, "float32"), (top_k, "int32"), (top_p, "float32"))
    ]
    mine = ops.convert_to_numpy(sample_by_tensors(values, numbers, *tensors))
    assert mine.tolist() == ops.convert_to_numpy(sample(values, numbers, sampling.shape, sampling.numbers)).tolist()


def test_adjusting_comes_before_temperature() -> None:
    sampling = Sampling(repetition_penalty=2.0, no_repeat_ngram_size=2)
    values = ops.convert_to_tensor([[4.0, 3.0, 2.0, 1.0]])
    token_ids, used = np.array([[0, 1, 0]], np.int32), np.ones((1, 3), bool)
    arguments: list[Any] = [ops.convert_to_tensor(token_ids), ops.convert_to_tensor(used), 2]
    adjusted = adjust(values, *arguments, sampling.shape, sampling.numbers)
    assert ops.convert_to_numpy(adjusted).tolist() == [[2.0, -np.inf, 2.0, 1.0]]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"temperature": -0.1}, "temperature is -0.1; give 0 for the most probable token or a positive number"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"top_k": -1}, "top_k is -1; give the number of tokens to draw from, or 0 for all"),
        ({"top_p": 0.0}, "top_p is 0.0; give a probability above 0"),
        ({"top_p": 1.1}, "top_p is 1.1"),
        ({"min_p": 2.0}, "min_p is 2.0; give a number from 0 to 1"),
        ({"repetition_penalty": 0.0}, "repetition_penalty is 0.0; give a positive number"),
        ({"no_repeat_ngram_size": -2}, "no_repeat_ngram_size is -2"),
    ],
)
def test_values_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Sampling(**options)


def test_k_of_0_draws_from_all() -> None:
    assert Sampling(top_k=0).temperature == 1.0
    assert Sampling(top_k=0).shape == Sampling(temperature=1.0).shape
