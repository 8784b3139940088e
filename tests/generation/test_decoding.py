from __future__ import annotations

import numpy as np
import pytest

from kpt.generation.decoding import Decoding, beam_search
from kpt.generation.sampling import Sampling
from tests.generation.small_model import decoder
from tests.numbers import array

PROMPTS = [[3, 4, 5], [6]]


def decoding(limits: list[int]) -> Decoding:
    return Decoding(decoder(), PROMPTS, limits, [0, 0], [], Sampling(temperature=1.0), 3)


def test_tokens_come_as_far_as_asked_for() -> None:
    at_once = decoding([6, 4]).advance()
    assert [len(row) for row in at_once] == [6, 4]
    parts = decoding([6, 4])
    first, second, third = parts.advance(3), parts.advance(2), parts.advance(9)
    assert [len(row) for row in (*first, *second, *third)] == [3, 3, 2, 1, 1, 0]
    assert [a + b + c for a, b, c in zip(first, second, third, strict=True)] == at_once
    assert parts.finished.all()


def test_a_row_that_is_ended_gets_no_more() -> None:
    ended = decoding([6, 6])
    ended.advance(2)
    ended.finish(0)
    assert [len(row) for row in ended.advance()] == [0, 4]
    assert ended.finished.all()


def test_one_hypothesis_is_greedy() -> None:
    (alone,), (other,) = beam_search(decoder(), PROMPTS, [5, 5], [], Sampling(), 1, 1.0, False)
    assert [alone, other] == Decoding(decoder(), PROMPTS, [5, 5], [0, 0], [], Sampling(), 0).advance()


@pytest.mark.parametrize(("positions", "size"), [(9, 2), (70, 66)])
def test_prompts_whose_bucket_is_over_the_positions(positions: int, size: int) -> None:
    model = decoder(positions)
    prompts = [[3 + place % 7 for place in range(size)], [6]]
    longest = [list(prompt) for prompt in prompts]
    for _ in range(3):
        for row in longest:
            inputs = {"token_ids": np.array([row], "int32"), "padding_mask": np.ones((1, len(row)), "bool")}
            row.append(int(np.argmax(array(model.logits(model(inputs)["sequence"]))[0, -1])))
    wanted = [row[-3:] for row in longest]
    assert Decoding(model, prompts, [3, 3], [0, 0], [], Sampling(temperature=0.0), 0).advance() == wanted
