"""Ids to text in TensorFlow operations, for tokenizers whose pieces have only to be joined."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import tensorflow as tf

__all__ = ["joined_contents"]


def joined_contents(contents: Sequence[bytes], skipped: Iterable[int], ids: tf.Tensor | tf.RaggedTensor) -> tf.Tensor:
    """Return the joined bytes of ids, string [n].

    Args:
        contents: the bytes of each id.
        skipped: ids that count as nothing.
        ids: integers [n, None], dense or ragged.
    """
    nothing = set(skipped)
    table = tf.constant([b"" if i in nothing else content for i, content in enumerate(contents)], tf.string)
    return tf.strings.reduce_join(tf.gather(table, ids), axis=-1)
