"""The merges of BPE in TensorFlow operations, over all words at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

__all__ = ["GraphMerges"]

_NEVER = np.int32(np.iinfo(np.int32).max)


class GraphMerges(tf.Module):
    """Joins neighbouring symbols of words: in each round each word's first pair in the list, wherever it stands in it.

    `tokenizers` joins the leftmost such pair alone and then looks for the first pair in the list again. That is the
    same where what a merge makes only takes part in later merges, as is the case with learned merges but for a few.
    Those few join the leftmost pair alone here too.

    Args:
        index: id of each piece.
        merges: the pairs of pieces that are joined, the first ones first.
    """

    def __init__(self, index: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._size = len(index)
        pairs = np.array([[index[left], index[right]] for left, right in merges], np.int64).reshape(-1, 2)
        made = np.array([index[left + right] for left, right in merges], np.int32)
        ranks = np.arange(len(pairs), dtype=np.int32)
        earliest = np.full(len(index), _NEVER, np.int32)  # the first merge that each piece takes part in
        np.minimum.at(earliest, pairs.reshape(-1), np.repeat(ranks, 2))
        # One more of each, since a table cannot be empty: a pair that no two symbols are.
        self._made, self._everywhere = np.append(made, np.int32(0)), np.append(earliest[made] > ranks, True)
        keys = np.append(pairs[:, 0] * self._size + pairs[:, 1], -1)
        initializer = tf.lookup.KeyValueTensorInitializer(tf.constant(keys), tf.constant(np.append(ranks, _NEVER)))
        self._ranks = tf.lookup.StaticHashTable(initializer, _NEVER)

    def __call__(self, words: tf.RaggedTensor) -> tf.RaggedTensor:
        """Return the pieces of words, int32 [n, None], given their bytes' ids, int32 [n, None]."""
        count = words.nrows()
        symbols, word = words.values, words.value_rowids()
        ranks = self._ranks_of(symbols, word)
        done = tf.zeros([0], symbols.dtype), tf.zeros([0], word.dtype)

        def going_on(symbols: tf.Tensor, *_: tf.Tensor) -> tf.Tensor:
            return tf.size(symbols) > 0

        def one_round(
            symbols: tf.Tensor, word: tf.Tensor, ranks: tf.Tensor, done: tf.Tensor, done_word: tf.Tensor
        ) -> tuple[tf.Tensor, ...]:
            best = tf.gather(tf.math.unsorted_segment_min(ranks, word, count), word)
            active = best != _NEVER
            done = tf.concat([done, tf.boolean_mask(symbols, ~active)], axis=0)
            done_word = tf.concat([done_word, tf.boolean_mask(word, ~active)], axis=0)
            symbols, word, ranks, best = (tf.boolean_mask(x, active) for x in (symbols, word, ranks, best))
            symbols, word = self._joined(symbols, word, ranks, best, count)
            return symbols, word, self._ranks_of(symbols, word), done, done_word

        shapes = [tf.TensorShape([None])] * 5
        *_, values, rows = tf.while_loop(going_on, one_round, [symbols, word, ranks, *done], shapes)
        order = tf.argsort(rows, stable=True)
        return tf.RaggedTensor.from_value_rowids(
            tf.gather(values, order), tf.gather(rows, order), count, validate=False
        )

    def _ranks_of(self, symbols: tf.Tensor, word: tf.Tensor) -> tf.Tensor:
        """Rank of the pair that each symbol makes with the next of its word, int32 [m]."""
        wide = tf.cast(symbols, tf.int64)
        ranks = self._ranks.lookup(wide[:-1] * self._size + wide[1:])
        ranks = tf.where(word[1:] == word[:-1], ranks, _NEVER)
        return tf.concat([ranks, tf.fill([tf.minimum(tf.size(symbols), 1)], _NEVER)], axis=0)

    def _joined(
        self, symbols: tf.Tensor, word: tf.Tensor, ranks: tf.Tensor, best: tf.Tensor, count: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The symbols after the merges of rank `best`, from left to right, and the words they are of."""
        left = ranks == best
        place = tf.range(tf.size(symbols))
        before = tf.concat([[False], left[:-1]], axis=0)[: tf.size(symbols)]
        # Two that overlap, as in "aaa", are of the same pair; of each run of them, every other one is joined.
        run = tf.cumsum(tf.cast(left & ~before, tf.int32))
        starts = tf.concat([[0], tf.boolean_mask(place, left & ~before)], axis=0)
        left &= (place - tf.gather(starts, run)) % 2 == 0
        first = tf.math.unsorted_segment_min(tf.where(left, place, _NEVER), word, count)
        left &= tf.gather(tf.constant(self._everywhere), best) | (place == tf.gather(first, word))
        gone = tf.concat([[False], left[:-1]], axis=0)[: tf.size(symbols)]
        symbols = tf.where(left, tf.gather(tf.constant(self._made), best), symbols)
        return tf.boolean_mask(symbols, ~gone), tf.boolean_mask(word, ~gone)
