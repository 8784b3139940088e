"""How often each sequence of a batch has each token."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

__all__ = ["count_tokens"]


def count_tokens(token_ids: Any, counted: Any, vocabulary_size: Any) -> Any:
    """Return how often each sequence has each token of the vocabulary.

    Args:
        token_ids: Integers `[batch, length]`.
        counted: Bool `[batch, length]`, `True` where a token counts.
        vocabulary_size: Above all ids.

    Returns:
        int32 `[batch, vocabulary_size]`.

    Example:
        >>> import numpy as np
        >>> np.asarray(count_tokens(np.array([[2, 0, 2, 1]]), np.array([[True, True, True, False]]), 3)).tolist()
        [[1, 0, 2]]
    """
    batch = ops.shape(token_ids)[0]
    rows = ops.expand_dims(ops.arange(batch, dtype="int32") * vocabulary_size, 1)
    slots = ops.reshape(ops.cast(token_ids, "int32") + rows, (-1,))
    ones, total = ops.reshape(ops.cast(counted, "int32"), (-1,)), batch * vocabulary_size
    if keras.backend.backend() == "torch":  # where Keras makes a vector of indices whose length depends on values
        counts = ops.zeros((total,), "int32").scatter_add(0, ops.cast(slots, "int64"), ones)
    else:
        counts = ops.segment_sum(ones, slots, num_segments=total)
    return ops.reshape(counts, (batch, vocabulary_size))
