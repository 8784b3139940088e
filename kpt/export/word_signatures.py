"""The functions that exported word vectors serve: strings in, dense tensors out, TensorFlow operations alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

__all__ = ["ServedWords"]


class ServedWords(tf.Module):
    """Vectors behind two lookup tables that one file of words feeds.

    Args:
        words_file: a word a line, in the order of the vectors; it becomes an asset of the SavedModel.
        vectors: float32 [words, d].
    """

    def __init__(self, words_file: Path, vectors: np.ndarray) -> None:
        super().__init__()
        size = len(vectors)
        whole, number = tf.lookup.TextFileIndex.WHOLE_LINE, tf.lookup.TextFileIndex.LINE_NUMBER
        file = str(words_file)
        to_row = tf.lookup.TextFileInitializer(file, tf.string, whole, tf.int64, number, vocab_size=size)
        to_word = tf.lookup.TextFileInitializer(file, tf.int64, number, tf.string, whole, vocab_size=size)
        self.rows = tf.lookup.StaticHashTable(to_row, default_value=-1)
        self.words = tf.lookup.StaticHashTable(to_word, default_value="")
        self.vectors = tf.Variable(vectors, trainable=False, name="vectors")
        norms = np.linalg.norm(vectors, axis=1).astype(np.float32)
        self.norms = tf.Variable(np.where(norms > 0, norms, np.float32(1)), trainable=False, name="norms")
        words = tf.TensorSpec([None], tf.string, name="words")
        k = tf.TensorSpec([], tf.int32, name="k")
        # Without XLA, which TensorFlow Serving lacks.
        self.functions: dict[str, Any] = {
            "serving_default": tf.function(self.look_up, jit_compile=False, autograph=False).get_concrete_function(
                words=words
            ),
            "nearest": tf.function(self.nearest, jit_compile=False, autograph=False).get_concrete_function(
                words=words, k=k
            ),
        }

    def look_up(self, words: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return words [n] to `vectors` float32 [n, d], zeros for a word that is not there, and `in_vocabulary` [n]."""
        rows = self.rows.lookup(words)
        known = rows >= 0
        vectors = tf.gather(self.vectors, tf.maximum(rows, 0))
        return {"vectors": tf.where(known[:, None], vectors, 0.0), "in_vocabulary": known}

    def nearest(self, words: tf.Tensor, k: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return words [n] to the `neighbours` string [n, k] of the highest cosine, and `similarities` float32 [n, k].

        The word itself is none of them. For a word that is not there they are "" and 0. Where there are fewer than k
        other words, all of them are returned.
        """
        rows = self.rows.lookup(words)
        known = rows >= 0
        own = tf.maximum(rows, 0)
        queries = tf.gather(self.vectors, own) / tf.gather(self.norms, own)[:, None]
        cosines = tf.matmul(queries, self.vectors, transpose_b=True) / self.norms
        places = tf.stack([tf.range(tf.size(own, tf.int64)), own], axis=1)
        cosines = tf.tensor_scatter_nd_update(cosines, places, tf.fill(tf.shape(own), tf.float32.min))
        best = tf.math.top_k(cosines, k=tf.clip_by_value(k, 0, self.vectors.shape[0] - 1))
        return {
            "neighbours": tf.where(known[:, None], self.words.lookup(tf.cast(best.indices, tf.int64)), ""),
            "similarities": tf.where(known[:, None], best.values, 0.0),
        }
