"""The function that an exported tagger serves: text in, entities with their places out.

`serving_default` takes `texts` string [n] to what is [n, m] for at most m entities of a text, in their order:

- `types` string, what they are;
- `entities` string, their text;
- `begins` and `ends` int32, the number of the first character and of the one after the last: characters are code
  points, and each byte that is no valid UTF-8 counts as one;
- `probabilities` float32, the least of the tags of their words.

`entity_count` int32 [n] says how many of the m each text has; the others are "", 0 and 0. m is at least 1. The words of
a text are those of `kpt.text.word_spans`; words past the length belong to no entity.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from kpt.data import sequence_marks
from kpt.export.sequences import single_sequences
from kpt.export.settings import concrete
from kpt.tasks import Tagger
from kpt.text import Tokenizer
from kpt.text.word_spans_graph import GraphSpans, graph_word_spans

__all__ = ["ServedTagger"]


class ServedTagger(tf.Module):
    """A tagger behind its tokenizer; what it tracks is what a SavedModel of it holds.

    Args:
        model: the tagger.
        tokenizer: the tokenizer it was trained with.
        length: tokens of a sequence at most, marks included.

    Attributes:
        functions: the signature.
        methods: nothing; the signature answers Predict alone.
    """

    def __init__(self, model: Tagger, tokenizer: Tokenizer, length: int) -> None:
        super().__init__()
        # The variables alone: a Keras object in the SavedModel would ask for Keras when it is loaded.
        self.weights = [weight.value for weight in model.weights]
        self.tokenizer = tokenizer.in_graph()
        self.methods: dict[str, str] = {}
        unknown = tokenizer.vocabulary.roles.get("unk", 0)

        def function(texts: tf.Tensor) -> dict[str, tf.Tensor]:
            spans = graph_word_spans(texts)
            pieces = word_pieces(self.tokenizer, spans, unknown)
            rows = tf.gather(spans.rows, pieces.value_rowids())
            ids = tf.RaggedTensor.from_value_rowids(pieces.values, rows, tf.shape(texts, tf.int64)[0], validate=False)
            batch = single_sequences(ids, tokenizer.vocabulary, length)
            marks = sequence_marks(tokenizer.vocabulary)
            starts = pieces.row_starts() - tf.gather(ids.row_starts(), spans.rows)
            kept = starts < length - marks.single
            places = tf.stack([spans.rows, tf.where(kept, starts + (marks.begin is not None), 0)], axis=1)
            logits = tf.gather_nd(tf.cast(model(batch, training=False), tf.float32), places)
            tags = tf.where(kept, tf.argmax(logits, axis=-1), model.labels.index("O"))
            chances = tf.reduce_max(tf.nn.softmax(logits), axis=-1)
            return entity_outputs(texts, spans, tags, chances, model.labels)

        self.functions: dict[str, Any] = {"serving_default": concrete(function, ["texts"])}


def word_pieces(tokenizer: Any, spans: GraphSpans, unknown: int) -> tf.RaggedTensor:
    """Return the pieces of each word as `kpt.data.tagged.encode_words` does, [words, None]."""
    first = tf.concat([[True], spans.rows[1:] != spans.rows[:-1]], axis=0)[: tf.size(spans.rows)]
    pieces = tokenizer(tf.where(first, spans.words, tf.strings.join([" ", spans.words])))
    nothing = tf.cast(pieces.row_lengths() == 0, tf.int64)
    fill = tf.fill([tf.reduce_sum(nothing)], tf.constant(unknown, tf.int32))
    return tf.concat([pieces, tf.RaggedTensor.from_row_lengths(fill, nothing)], axis=1)


def entity_outputs(
    texts: tf.Tensor, spans: GraphSpans, tags: tf.Tensor, chances: tf.Tensor, labels: tuple[str, ...]
) -> dict[str, tf.Tensor]:
    """Return the entities that the tags of words say, as `kpt.tasks.entities` reads them; see the module.

    Args:
        texts: string [n].
        spans: their words.
        tags: integers [words], numbers of `labels`.
        chances: float32 [words], the probabilities of the tags.
        labels: the tags' names.
    """
    types = sorted({label[2:] for label in labels if label != "O"})
    type_of = np.array([types.index(label[2:]) if label != "O" else -1 for label in labels], np.int32)
    kinds = tf.gather(tf.constant(type_of), tags)
    opens = tf.gather(tf.constant([label[0] == "B" for label in labels]), tags)
    before = tf.concat([[-1], kinds[:-1]], axis=0)[: tf.size(kinds)]
    row_before = tf.concat([[tf.constant(-1, tf.int64)], spans.rows[:-1]], axis=0)[: tf.size(kinds)]
    inside = kinds >= 0
    begins = inside & (opens | (kinds != before) | (spans.rows != row_before))

    count = tf.reduce_sum(tf.cast(begins, tf.int64))
    number = tf.boolean_mask(tf.cumsum(tf.cast(begins, tf.int64)) - 1, inside)
    rows, begin = tf.boolean_mask(spans.rows, begins), tf.boolean_mask(spans.begins, begins)
    end = tf.math.unsorted_segment_max(tf.boolean_mask(spans.ends, inside), number, count)
    chance = tf.math.unsorted_segment_min(tf.boolean_mask(chances, inside), number, count)
    whole = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", replace_control_characters=False)
    parts = tf.strings.substr(tf.gather(whole, rows), begin, end - begin, unit="UTF8_CHAR")

    def dense(values: tf.Tensor) -> tf.Tensor:
        ragged = tf.RaggedTensor.from_value_rowids(values, rows, tf.shape(texts, tf.int64)[0], validate=False)
        result = ragged.to_tensor()
        return tf.pad(
            result,
            [[0, 0], [0, tf.maximum(0, 1 - tf.shape(result)[1])]],
            constant_values=tf.constant("" if values.dtype == tf.string else 0, values.dtype),
        )

    return {
        "types": dense(tf.gather(tf.constant(types), tf.boolean_mask(kinds, begins))),
        "entities": dense(parts),
        "begins": dense(begin),
        "ends": dense(end),
        "probabilities": dense(chance),
        "entity_count": tf.math.bincount(
            tf.cast(rows, tf.int32), minlength=tf.shape(texts)[0], maxlength=tf.shape(texts)[0]
        ),
    }
