"""Model inputs from ragged ids, in TensorFlow operations: [CLS] A [SEP] and [CLS] A [SEP] B [SEP].

A tokenizer without [CLS] and [SEP] has its end of a text in their places, or nothing, see `kpt.data.sequence_marks`.
"""

from __future__ import annotations

import tensorflow as tf

from kpt.data import Marks, sequence_marks
from kpt.text import Vocabulary

__all__ = ["pair_sequences", "single_sequences", "truncated_sizes"]


def single_sequences(
    ids: tf.RaggedTensor, vocabulary: Vocabulary, length: int, windows: int = 1
) -> dict[str, tf.Tensor]:
    """Build [CLS] tokens [SEP], one window after another, cut to their number and padded to the longest of the batch.

    Args:
        ids: int32 [batch, None], without special tokens.
        vocabulary: the special ids.
        length: most columns of a window, special tokens included, at least as many as these.
        windows: most windows of a text, see `kpt.data.encode_texts`.

    Returns:
        token_ids int32, segment_ids int32 (all 0) and padding_mask bool (True: token), [batch, columns] each.
    """
    marks = sequence_marks(vocabulary)
    room = length - marks.single
    ids = ids[:, : windows * room]
    if windows == 1:
        batch = _padded([*_mark(marks.begin, ids), ids, *_mark(marks.separator, ids)], marks)
    else:
        sizes = ids.row_lengths()
        counts = tf.maximum(-(-sizes // room), 1)
        numbers = tf.ragged.range(counts)
        window_sizes = tf.minimum(
            tf.cast(room, tf.int64), tf.gather(sizes, numbers.value_rowids()) - numbers.values * room
        )
        inner = tf.RaggedTensor.from_row_lengths(ids.values, window_sizes)
        rows = tf.concat([*_mark(marks.begin, inner), inner, *_mark(marks.separator, inner)], axis=1)
        batch = _padded([tf.RaggedTensor.from_row_lengths(rows.values, sizes + counts * marks.single)], marks)
    return {**batch, "segment_ids": tf.zeros_like(batch["token_ids"])}


def pair_sequences(
    first: tf.RaggedTensor, second: tf.RaggedTensor, vocabulary: Vocabulary, length: int
) -> dict[str, tf.Tensor]:
    """Build [CLS] A [SEP] B [SEP], cut to a length and padded to the longest; B and its [SEP] have segment id 1.

    Args:
        first: int32 [batch, None], without special tokens.
        second: likewise; as many rows.
        vocabulary: the special ids.
        length: most columns of the result, special tokens included, at least as many as these.

    Returns:
        token_ids int32, segment_ids int32 and padding_mask bool (True: token), [batch, columns] each.
    """
    marks = sequence_marks(vocabulary)
    sizes = truncated_sizes(first.row_lengths(), second.row_lengths(), length - marks.pair)
    first, second = _head(first, sizes[0]), _head(second, sizes[1])
    separator = _mark(marks.separator, first)
    batch = _padded([*_mark(marks.begin, first), first, *separator, second, *separator], marks)
    after_first = tf.range(tf.shape(batch["token_ids"])[1], dtype=tf.int64) >= (sizes[0] + marks.single)[:, None]
    return {**batch, "segment_ids": tf.cast(after_first & batch["padding_mask"], tf.int32)}


def truncated_sizes(first: tf.Tensor, second: tf.Tensor, room: int) -> tuple[tf.Tensor, tf.Tensor]:
    r"""Return how many tokens of each pair stay if the longer text loses its last token until both fit.

    .. math:: a' = \min(a, \max(r - b, \lceil r / 2 \rceil)), \quad b' = \min(b, \max(r - a, \lfloor r / 2 \rfloor))

    is what BERT's loop ends with, which takes from the second text where both are equally long.

    Args:
        first: int64 [batch], sizes a.
        second: int64 [batch], sizes b.
        room: r, tokens of both together.

    Example:
        >>> [sizes.numpy().tolist() for sizes in truncated_sizes(tf.constant([9, 2]), tf.constant([9, 9]), 7)]
        [[4, 2], [3, 5]]

    Source: google-research/bert, `run_classifier.py`, `_truncate_seq_pair`.
    """
    return (
        tf.minimum(first, tf.maximum(room - second, (room + 1) // 2)),
        tf.minimum(second, tf.maximum(room - first, room // 2)),
    )


def _head(ids: tf.RaggedTensor, sizes: tf.Tensor) -> tf.RaggedTensor:
    """The first ids of each row, as many as `sizes` says."""
    starts = ids.row_starts()
    return tf.gather(ids.values, tf.ragged.range(starts, starts + sizes))


def _mark(token_id: int | None, ids: tf.RaggedTensor) -> list[tf.Tensor]:
    """The column of a mark, if the tokenizer has it."""
    return [] if token_id is None else [tf.fill([ids.nrows(), 1], tf.constant(token_id, tf.int32))]


def _padded(parts: list[tf.RaggedTensor | tf.Tensor], marks: Marks) -> dict[str, tf.Tensor]:
    rows = tf.concat(parts, axis=1)
    sizes = rows.row_lengths()
    token_ids = rows.to_tensor(marks.pad)
    # An empty batch has a column too: no layer divides by a length of zero.
    token_ids = tf.pad(token_ids, [[0, 0], [0, tf.maximum(0, 1 - tf.shape(token_ids)[1])]])
    return {
        "token_ids": token_ids,
        "padding_mask": tf.sequence_mask(sizes, tf.shape(token_ids)[1]),
    }
