"""The embedding of segments."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from kpt.layers.initializers import truncated_normal

__all__ = ["SegmentEmbedding"]


@keras.saving.register_keras_serializable("kpt")
class SegmentEmbedding(keras.layers.Layer):
    r"""Look up the vector of each token's segment: :math:`\mathrm{onehot}(s) E`.

    A product, as BERT has it, and not `keras.layers.Embedding`: on TensorFlow the gradient of that would be slices
    with repeated indices, which Keras's Adam and clipping by the global norm square before they add them up.

    Args:
        segments: Number of segments.
        width: Width of a vector.

    Call arguments:
        segment_ids: Integers `[batch, length]`, each in `[0, segments)`.

    Returns:
        `[batch, length, width]`.

    Source: Devlin et al. 2018, google-research/bert `embedding_postprocessor`.
    """

    def __init__(self, segments: int, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.segments, self.width = segments, width

    def build(self, segment_ids_shape: Any = None) -> None:
        self.embeddings = self.add_weight(
            shape=(self.segments, self.width), initializer=truncated_normal(), name="embeddings"
        )

    def call(self, segment_ids: Any) -> Any:
        chosen = ops.equal(
            ops.expand_dims(ops.cast(segment_ids, "int32"), -1), ops.arange(self.segments, dtype="int32")
        )
        return ops.matmul(ops.cast(chosen, self.compute_dtype), self.embeddings)

    def compute_output_shape(self, segment_ids_shape: Any) -> Any:
        return (*segment_ids_shape, self.width)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "segments": self.segments, "width": self.width}
