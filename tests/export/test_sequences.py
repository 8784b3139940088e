from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from kpt.export.sequences import pair_sequences, single_sequences, truncated_sizes
from kpt.text import Vocabulary

VOCABULARY = Vocabulary.from_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"])
PAD, CLS, SEP = VOCABULARY.pad_id, VOCABULARY.cls_id, VOCABULARY.sep_id


def ragged(rows: list[list[int]]) -> tf.RaggedTensor:
    return tf.ragged.constant(rows, dtype=tf.int32, ragged_rank=1, row_splits_dtype=tf.int64)


def lists(batch: dict[str, tf.Tensor]) -> dict[str, list[list[int]]]:
    return {name: values.numpy().astype(int).tolist() for name, values in batch.items()}


def test_a_text_gets_its_special_tokens_and_padding_to_the_longest() -> None:
    assert lists(single_sequences(ragged([[5, 6], [], [5, 6, 5, 6]]), VOCABULARY, 5)) == {
        "token_ids": [[CLS, 5, 6, SEP, PAD], [CLS, SEP, PAD, PAD, PAD], [CLS, 5, 6, 5, SEP]],
        "segment_ids": [[0] * 5] * 3,
        "padding_mask": [[1, 1, 1, 1, 0], [1, 1, 0, 0, 0], [1, 1, 1, 1, 1]],
    }


def test_a_long_text_gets_windows_one_after_another() -> None:
    rows = [[5, 6, 5, 6, 5], [], [5, 6], [6, 6, 6, 6, 6, 6, 6, 6]]
    found = lists(single_sequences(ragged(rows), VOCABULARY, 4, windows=3))
    assert found["token_ids"] == [
        [CLS, 5, 6, SEP, CLS, 5, 6, SEP, CLS, 5, SEP, PAD],
        [CLS, SEP, *[PAD] * 10],
        [CLS, 5, 6, SEP, *[PAD] * 8],
        [CLS, 6, 6, SEP] * 3,
    ]
    assert [sum(row) for row in found["padding_mask"]] == [11, 2, 4, 12]
    assert lists(single_sequences(ragged([]), VOCABULARY, 4, windows=3))["token_ids"] == []


def test_a_pair_gets_segments_and_is_cut_at_the_longer_text() -> None:
    first, second = ragged([[5, 5], [], [5, 5, 5, 5, 5]]), ragged([[6], [], [6, 6]])
    assert lists(pair_sequences(first, second, VOCABULARY, 8)) == {
        "token_ids": [
            [CLS, 5, 5, SEP, 6, SEP, PAD, PAD],
            [CLS, SEP, SEP, PAD, PAD, PAD, PAD, PAD],
            [CLS, 5, 5, 5, SEP, 6, 6, SEP],
        ],
        "segment_ids": [[0, 0, 0, 0, 1, 1, 0, 0], [0, 0, 1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1, 1, 1]],
        "padding_mask": [[1] * 6 + [0] * 2, [1] * 3 + [0] * 5, [1] * 8],
    }


def test_an_empty_batch_keeps_a_column() -> None:
    empty = ragged([])
    for batch in (single_sequences(empty, VOCABULARY, 8), pair_sequences(empty, empty, VOCABULARY, 8)):
        assert {tuple(values.shape) for values in batch.values()} == {(0, 1)}


@pytest.mark.parametrize("room", [2, 5, 8])
def test_sizes_are_those_of_berts_loop(room: int) -> None:
    sizes = np.stack(np.meshgrid(np.arange(13), np.arange(13)), axis=-1).reshape(-1, 2)
    first, second = truncated_sizes(*(tf.constant(column, tf.int64) for column in sizes.T), room)
    for (a, b), *got in zip(sizes.tolist(), first.numpy(), second.numpy(), strict=True):
        while a + b > room:
            a, b = (a - 1, b) if a > b else (a, b - 1)
        assert got == [a, b]
