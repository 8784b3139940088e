from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from keras import ops

from kpt.generation.logits import (
    forbid_repeated_ngrams,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    penalize_repetition,
)

PROBABILITIES = [0.5, 0.05, 0.3, 0.15]
OUT = -np.inf


def logits(*rows: list[float]) -> Any:
    return ops.convert_to_tensor(np.log(np.array(rows, np.float32)))


def kept(values: Any) -> list[list[int]]:
    return [np.flatnonzero(row > OUT).tolist() for row in ops.convert_to_numpy(values)]


@pytest.mark.parametrize("k, tokens", [(1, [0]), (2, [0, 2]), (3, [0, 2, 3]), (4, [0, 1, 2, 3]), (9, [0, 1, 2, 3])])
def test_top_k(k: int, tokens: list[int]) -> None:
    assert kept(keep_top_k(logits(PROBABILITIES), k)) == [tokens]
    assert kept(keep_top_k(logits(PROBABILITIES), ops.convert_to_tensor(k))) == [tokens]


@pytest.mark.parametrize(
    "p, tokens", [(1e-30, [0]), (0.49, [0]), (0.51, [0, 2]), (0.79, [0, 2]), (0.81, [0, 2, 3]), (0.999, [0, 1, 2, 3])]
)
def test_top_p(p: float, tokens: list[int]) -> None:
    assert kept(keep_top_p(logits(PROBABILITIES, PROBABILITIES[::-1]), p)) == [tokens, sorted(3 - i for i in tokens)]


def test_top_p_keeps_one_token_at_least() -> None:
    assert kept(keep_top_p(logits(PROBABILITIES), 0.0)) == [[0]]


@pytest.mark.parametrize("p, tokens", [(0.0, [0, 1, 2, 3]), (0.2, [0, 2, 3]), (0.5, [0, 2]), (1.0, [0])])
def test_min_p(p: float, tokens: list[int]) -> None:
    assert kept(keep_min_p(logits(PROBABILITIES), p)) == [tokens]


def test_what_is_kept_is_not_changed() -> None:
    values = logits(PROBABILITIES)
    for each in (keep_top_k(values, 2), keep_top_p(values, 0.7), keep_min_p(values, 0.5)):
        np.testing.assert_array_equal(ops.convert_to_numpy(each)[0, [0, 2]], ops.convert_to_numpy(values)[0, [0, 2]])


def test_repetition_is_penalized_at_tokens_that_are_used() -> None:
    values = ops.convert_to_tensor([[2.0, -2.0, 3.0, -3.0], [2.0, -2.0, 3.0, -3.0]])
    token_ids = ops.convert_to_tensor(np.array([[2, 0, 1, 1], [3, 3, 3, 2]], np.int32))
    used = ops.convert_to_tensor([[False, True, True, True], [True, True, False, False]])
    penalized = ops.convert_to_numpy(penalize_repetition(values, token_ids, used, 2.0))
    assert penalized.tolist() == [[1.0, -4.0, 3.0, -3.0], [2.0, -2.0, 3.0, -6.0]]


def forbidden(row: list[int], size: int, begin: int = 0, empty: int = 0) -> list[int]:
    token_ids = np.array([row + [0] * empty], np.int32)
    slots = np.arange(len(row) + empty)
    used = ((slots >= begin) & (slots < len(row)))[None]
    values = forbid_repeated_ngrams(
        ops.zeros((1, 6)), ops.convert_to_tensor(token_ids), ops.convert_to_tensor(used), len(row) - 1, size
    )
    return np.flatnonzero(ops.convert_to_numpy(values)[0] == OUT).tolist()


def test_sequences_do_not_repeat() -> None:
    assert forbidden([1, 2, 3, 1, 2], 3) == [3]
    assert forbidden([1, 2, 3, 1, 2], 2) == [3]
    assert forbidden([1, 2, 1, 3, 1], 2) == [2, 3]
    assert forbidden([1, 2, 3, 4], 2) == []
    assert forbidden([1, 2, 1], 1) == [1, 2]
    assert forbidden([4, 4], 2) == [4]
    assert forbidden([1, 2], 3) == []
    assert forbidden([1], 5) == []


def test_padding_and_empty_slots_are_no_tokens() -> None:
    assert forbidden([0, 0, 1, 0], 2, begin=2) == []
    assert forbidden([1, 2, 1], 2, begin=1) == []
    assert forbidden([1, 2, 3, 1, 2], 3, empty=4) == [3]
    assert forbidden([0, 0, 0], 2, begin=2, empty=3) == []
