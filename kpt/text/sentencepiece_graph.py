"""SentencePiece in TensorFlow operations, in a graph that a SavedModel can hold."""

from __future__ import annotations

import tensorflow as tf
import tensorflow_text as tf_text

from kpt.text.detokenize_graph import joined_contents
from kpt.text.sentencepiece_model import SentencePieceModel

__all__ = ["GraphSentencePiece"]


class GraphSentencePiece(tf.Module):
    """Text to ids and back with TensorFlow and TensorFlow Text: string [n] to ragged int32 [n, None], and back.

    A text is cut before each space where that changes nothing, and each distinct part is divided once, as outside the
    graph. Invalid UTF-8 counts as U+FFFD.

    Args:
        model: the pieces and how they are used.
    """

    def __init__(self, model: SentencePieceModel) -> None:
        super().__init__()
        self._divisible, self._dummy_prefix = model.divisible, model.dummy_prefix
        self._contents, self._special_ids = model.contents, model.vocabulary.special_ids
        self._processor = tf_text.SentencepieceTokenizer(model.serialize(), out_type=tf.int32)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Return the ids of each text, without special tokens around them."""
        if not self._divisible:
            return self._processor.tokenize(texts).with_row_splits_dtype(tf.int64)
        parts = tf.strings.split(texts, " ")
        place = tf.range(tf.size(parts.values, tf.int64)) - tf.gather(parts.row_splits, parts.value_rowids())
        spaced = tf.where(place > 0, tf.strings.join([" ", parts.values]), parts.values)
        distinct, number = tf.unique(spaced, tf.int64)
        ids = tf.gather(self._processor.tokenize(distinct), number).with_row_splits_dtype(tf.int64)
        return tf.RaggedTensor.from_row_splits(ids.values, tf.gather(ids.row_splits, parts.row_splits), validate=False)

    def detokenize(self, ids: tf.Tensor | tf.RaggedTensor, *, skip_special_tokens: bool = False) -> tf.Tensor:
        """Return the texts of ids, integers [n, None], as string [n].

        The strings hold the bytes that the ids stand for; they are not UTF-8 where ids end within a character that is
        spelled by bytes.

        Args:
            ids: dense or ragged.
            skip_special_tokens: whether special tokens count as nothing instead of as their text.
        """
        texts = joined_contents(self._contents, self._special_ids if skip_special_tokens else (), ids)
        return tf.strings.regex_replace(texts, "^ ", "") if self._dummy_prefix else texts
