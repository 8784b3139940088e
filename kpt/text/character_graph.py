"""Tables of characters in TensorFlow operations."""

from __future__ import annotations

import tensorflow as tf

from kpt.text.character_tables import PAGE, PagedTable

__all__ = ["look_up"]


def look_up(table: PagedTable, code_points: tf.Tensor) -> tf.Tensor:
    """Return the row of each code point, [m, ...]."""
    pages = tf.gather(tf.constant(table.pages), code_points // PAGE)
    return tf.gather(tf.constant(table.rows), pages * PAGE + code_points % PAGE)
