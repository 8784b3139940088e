"""Characters to ids in TensorFlow operations, in a graph that a SavedModel can hold."""

from __future__ import annotations

import tensorflow as tf

from kpt.text.character_graph import look_up
from kpt.text.character_tables import PagedTable
from kpt.text.characters import character_ids
from kpt.text.detokenize_graph import joined_contents
from kpt.text.vocabulary import Vocabulary

__all__ = ["GraphCharacters"]


class GraphCharacters(tf.Module):
    """Text to ids and back with TensorFlow alone: string [n] to ragged int32 [n, None], and ids to string [n].

    Invalid UTF-8 counts as U+FFFD. Where the vocabulary has no unknown token, a character without an id is an
    InvalidArgumentError.

    Args:
        vocabulary: the characters.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self._ids = PagedTable.compress(character_ids(vocabulary))
        self._complete = "unk" in vocabulary.roles
        self._vocabulary = vocabulary

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Return the ids of each text, one a character."""
        code_points = tf.strings.unicode_decode(texts, "UTF-8", errors="replace")
        ids = look_up(self._ids, code_points.values)
        if not self._complete:
            message = "a character of the text has no id and the tokenizer no unknown token; its code point is in"
            known = tf.debugging.Assert(
                tf.reduce_all(ids >= 0), [message, tf.boolean_mask(code_points.values, ids < 0)]
            )
            with tf.control_dependencies([known]):
                ids = tf.identity(ids)
        return code_points.with_values(ids)

    def detokenize(self, ids: tf.Tensor | tf.RaggedTensor, *, skip_special_tokens: bool = False) -> tf.Tensor:
        """Return the texts of ids, integers [n, None], as string [n].

        Args:
            ids: dense or ragged.
            skip_special_tokens: whether special tokens count as nothing instead of as their text.
        """
        contents = [token.encode() for token in self._vocabulary.tokens]
        return joined_contents(contents, self._vocabulary.special_ids if skip_special_tokens else (), ids)
