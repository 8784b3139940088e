"""Where the words of a text stand, in TensorFlow operations: what `word_spans` finds, in a graph for serving."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from kpt.text.character_graph import look_up
from kpt.text.word_spans import MARK, OTHER, SPACE, WORD, span_classes

__all__ = ["GraphSpans", "graph_word_spans"]


class GraphSpans(NamedTuple):
    """The words of all texts, one text after the other.

    Attributes:
        words: string [words].
        rows: int64 [words], the number of each word's text.
        begins: int32 [words], the number of its first character.
        ends: int32 [words], the one after its last.
    """

    words: tf.Tensor
    rows: tf.Tensor
    begins: tf.Tensor
    ends: tf.Tensor


def graph_word_spans(texts: tf.Tensor) -> GraphSpans:
    """Return the words of texts, as `kpt.text.word_spans` does; each invalid byte counts as U+FFFD.

    Args:
        texts: string [n].
    """
    codes = tf.strings.unicode_decode(texts, "UTF-8", errors="replace")
    # A space before each text: what stands before a character is then always there.
    codes = tf.concat([tf.fill([codes.nrows(), 1], tf.constant(32, tf.int32)), codes], axis=1)
    values, rows = codes.values, codes.value_rowids()
    column = tf.range(tf.size(values, tf.int64)) - tf.gather(codes.row_starts(), rows) - 1
    classes = tf.cast(look_up(span_classes(), values), tf.int32)
    before = tf.concat([[SPACE], classes[:-1]], axis=0)
    # What marks stand on: the last character before that is none.
    bases = tf.boolean_mask(classes, classes != MARK)
    base = tf.gather(bases, tf.cumsum(tf.cast(classes != MARK, tf.int32)) - 1)
    base_before = tf.concat([[SPACE], base[:-1]], axis=0)
    in_run = (before == WORD) | ((before == MARK) & (base_before != OTHER))
    begins = (classes == OTHER) | ((classes == WORD) & ~in_run) | ((classes == MARK) & (before == SPACE))

    kept = classes != SPACE
    number = tf.boolean_mask(tf.cumsum(tf.cast(begins, tf.int64)) - 1, kept)
    count = tf.reduce_sum(tf.cast(begins, tf.int64))
    words = tf.RaggedTensor.from_value_rowids(tf.boolean_mask(values, kept), number, nrows=count, validate=False)
    last = tf.math.unsorted_segment_max(tf.boolean_mask(column, kept), number, count)
    return GraphSpans(
        tf.strings.unicode_encode(words, "UTF-8"),
        tf.boolean_mask(rows, begins),
        tf.cast(tf.boolean_mask(column, begins), tf.int32),
        tf.cast(last + 1, tf.int32),
    )
