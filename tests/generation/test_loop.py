from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from kpt.generation.loop import Rows, advance, prefill, stopping, used_slots, write_column
from tests.generation.small_model import decoder

PROMPTS = np.array([[0, 0, 3, 4, 5], [6, 7, 8, 9, 10]], np.int32)
STARTS = np.array([2, 0], np.int32)


def tensor(values: Any) -> Any:
    return ops.convert_to_tensor(np.asarray(values, np.int32))


def state() -> Any:
    return prefill(decoder(), tensor(PROMPTS), tensor(STARTS), 12)


def counting(logits: Any, token_ids: Any, used: Any, last: Any, positions: Any) -> Any:
    """Chooses the positions themselves, and looks at what it is given."""
    assert logits.shape == (2, decoder().vocabulary_size)
    assert token_ids.shape == used.shape == (2, 12)
    return positions


def test_prompts_fill_the_first_slots() -> None:
    begin = state()
    assert int(begin.last) == 4
    assert ops.convert_to_numpy(begin.token_ids)[:, :5].tolist() == PROMPTS.tolist()
    assert ops.convert_to_numpy(begin.counts).tolist() == [0, 0]
    assert ops.convert_to_numpy(used_slots(tensor(STARTS), 4)).tolist() == [[False, False, True, True], [True] * 4]


def test_rows_end_at_their_limits_and_stop_tokens() -> None:
    rows = Rows(tensor(STARTS), tensor([6, 6]), tensor([0, 0]), tensor([8]))
    end = advance(decoder(), state(), rows, tensor(20), counting)
    assert ops.convert_to_numpy(end.token_ids)[:, 5:11].tolist() == [[3, 4, 5, 6, 7, 8], [5, 6, 7, 8, 9, 10]]
    assert ops.convert_to_numpy(end.counts).tolist() == [5, 3]
    assert int(end.last) == 10
    limited = advance(decoder(), state(), rows._replace(limits=tensor([1, 2])), tensor(20), counting)
    assert (int(limited.last), ops.convert_to_numpy(limited.counts).tolist()) == (6, [1, 2])


def test_the_loop_goes_on_where_it_was() -> None:
    rows = Rows(tensor(STARTS), tensor([6, 6]), tensor([0, 0]), tensor([]))

    def best(logits: Any, *_: Any) -> Any:
        return ops.cast(ops.argmax(logits, axis=-1), "int32")

    at_once = advance(decoder(), state(), rows, tensor(10), best)
    half = advance(decoder(), state(), rows, tensor(7), best)
    assert int(half.last) == 7
    rest = advance(decoder(), half, rows, tensor(10), best)
    np.testing.assert_array_equal(ops.convert_to_numpy(rest.token_ids), ops.convert_to_numpy(at_once.token_ids))


def test_stops_and_columns() -> None:
    assert ops.convert_to_numpy(stopping(tensor([[1, 2], [3, 1]]), tensor([1, 9]))).tolist() == [
        [True, False],
        [False, True],
    ]
    assert not ops.convert_to_numpy(stopping(tensor([1, 2]), tensor([]))).any()
    assert ops.convert_to_numpy(write_column(tensor([[1, 2], [3, 4]]), 1, tensor([8, 9]))).tolist() == [[1, 8], [3, 9]]
