"""Byte-level BPE in TensorFlow operations: the same ids as outside, in a graph that a SavedModel can hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from kpt.text.byte_pair_bytes import BYTE_CHARACTERS
from kpt.text.byte_pair_encoding import byte_pair_model, piece_bytes
from kpt.text.byte_pair_merge_graph import GraphMerges
from kpt.text.character_graph import look_up
from kpt.text.detokenize_graph import joined_contents
from kpt.text.vocabulary import Vocabulary
from kpt.text.word_classes import LETTER, OTHER, SPACE, word_classes

__all__ = ["GraphBytePair", "word_begins"]


class GraphBytePair(tf.Module):
    """Text to ids and back with TensorFlow alone: string [n] to ragged int32 [n, None], and ids to string [n].

    The words of all texts are found at once, by comparing the classes of neighbouring characters, since TensorFlow's
    regular expressions lack the look-ahead of GPT-2's pattern. Words that are one piece are looked up; the others, each
    once, are merged together in as many rounds as the longest needs. Bytes that are not UTF-8 count as U+FFFD when
    words are found and keep their own ids.

    Args:
        vocabulary: the pieces.
        merges: the pairs of pieces that are joined, the first ones first.

    Example:
        >>> tokenizer = kpt.text.BytePairTokenizer.load("tokenizer")  # doctest: +SKIP
        >>> graph = tokenizer.in_graph()  # doctest: +SKIP
        >>> graph.detokenize(graph(tf.constant(["any text"]))).numpy()  # doctest: +SKIP
        array([b'any text'], dtype=object)
    """

    def __init__(self, vocabulary: Vocabulary, merges: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._classes = word_classes()
        index, special = vocabulary.index, set(vocabulary.special_ids)
        self._byte_ids = np.array([index[character] for character in BYTE_CHARACTERS], np.int32)
        self._merges = GraphMerges(index, merges)
        self._contents = piece_bytes(vocabulary)
        self._special_ids = vocabulary.special_ids
        # Nearly every piece is what its own text becomes; where merges lead elsewhere, they are followed.
        model = byte_pair_model(vocabulary.tokens, merges)
        whole = [
            i for i, t in enumerate(vocabulary.tokens) if i not in special and [p.id for p in model.tokenize(t)] == [i]
        ]
        self._pieces = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant([vocabulary.tokens[i] for i in whole], tf.string), tf.constant(whole, tf.int32)
            ),
            default_value=-1,
        )

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Return the ids of each text, without special tokens around them."""
        content, starts, words_of_texts = self._words(texts)
        characters = tf.gather(tf.constant([ord(c) for c in BYTE_CHARACTERS]), content)
        words = tf.RaggedTensor.from_row_splits(characters, starts, validate=False)
        distinct, number = tf.unique(tf.strings.unicode_encode(words, "UTF-8"), tf.int64)
        first = tf.math.unsorted_segment_min(tf.range(tf.size(number, tf.int64)), number, tf.size(distinct, tf.int64))
        known = self._pieces.lookup(distinct)
        rest = tf.where(known < 0)[:, 0]
        symbols = tf.RaggedTensor.from_row_splits(
            tf.gather(tf.constant(self._byte_ids), content), starts, validate=False
        )
        merged = self._merges(tf.gather(symbols, tf.gather(first, rest)))
        single = tf.expand_dims(tf.boolean_mask(known, known >= 0), 1)
        rows = tf.concat([tf.RaggedTensor.from_tensor(single, row_splits_dtype=tf.int64), merged], axis=0)
        order = tf.argsort(tf.concat([tf.where(known >= 0)[:, 0], rest], axis=0))
        ids = tf.gather(rows, tf.gather(order, number))
        return tf.RaggedTensor.from_row_splits(ids.values, tf.gather(ids.row_splits, words_of_texts), validate=False)

    def encode(self, texts: Sequence[str | bytes]) -> tuple[np.ndarray, np.ndarray]:
        """Return the ids of all texts, int32 [n], and the number of ids of each text, int64 [len(texts)]."""
        with tf.device("CPU"):
            ids = self(tf.constant(texts, tf.string))
            return ids.values.numpy(), ids.row_lengths().numpy()

    def detokenize(self, ids: tf.Tensor | tf.RaggedTensor, *, skip_special_tokens: bool = False) -> tf.Tensor:
        """Return the texts of ids, integers [n, None], as string [n].

        The strings hold the bytes that the ids stand for, exactly; they are not UTF-8 where ids end within a character.

        Args:
            ids: dense or ragged.
            skip_special_tokens: whether special tokens count as nothing instead of as their text.
        """
        return joined_contents(self._contents, self._special_ids if skip_special_tokens else (), ids)

    def _words(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The bytes of all texts, int32 [m], the row splits of words over them and of texts over words, int64."""
        code_points, offsets = tf.strings.unicode_decode_with_offsets(texts, "UTF-8", errors="replace")
        begins = word_begins(code_points, look_up(self._classes, code_points.values))
        sizes = tf.cast(tf.strings.length(texts), tf.int64)
        text_starts = tf.concat([[tf.constant(0, tf.int64)], tf.cumsum(sizes)], axis=0)
        places = offsets.values + tf.gather(text_starts, code_points.value_rowids())
        starts = tf.concat([tf.boolean_mask(places, begins), text_starts[-1:]], axis=0)
        before = tf.concat([[tf.constant(0, tf.int64)], tf.cumsum(tf.cast(begins, tf.int64))], axis=0)
        content = tf.cast(tf.io.decode_raw(tf.strings.reduce_join(texts), tf.uint8), tf.int32)
        return content, starts, tf.gather(before, code_points.row_splits)


def word_begins(code_points: tf.RaggedTensor, classes: tf.Tensor) -> tf.Tensor:
    r"""Return bool [m]: which characters begin a word of GPT-2's pattern.

    The pattern is `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`. A word begins where the
    class changes, but for these: the last white space before a word is a word of its own or, a space, the beginning of
    that word; and an apostrophe that begins a word (and has no other after it) takes the letters of a contraction.

    Args:
        code_points: the characters of texts, [n, None] with m values.
        classes: class of each, [m].
    """
    values = code_points.values
    count = tf.size(values, tf.int64)

    def shifted(x: tf.Tensor, by: int, fill: int) -> tf.Tensor:
        """Character i gets that of i + by, in any text."""
        ends = tf.fill([abs(by)], tf.cast(fill, x.dtype))
        return tf.concat([x[by:], ends], axis=0)[:count] if by > 0 else tf.concat([ends, x[:by]], axis=0)[:count]

    # Between texts nothing joins: their first characters are known, and so is what lies behind their ends.
    rows = code_points.value_rowids()
    first = shifted(rows, -1, -1) != rows

    def following(x: tf.Tensor, by: int) -> tf.Tensor:
        return tf.where(shifted(rows, by, -1) == rows, shifted(x, by, -1), tf.cast(-1, x.dtype))

    kinds = tf.cast(classes, tf.int32)
    previous = tf.where(first, -1, shifted(kinds, -1, -1))
    behind_blank = ~first & (shifted(values, -1, 0) == ord(" "))
    is_space = kinds == SPACE
    next_kind = following(kinds, 1)
    last_space = is_space & (next_kind != SPACE) & (next_kind >= 0)
    begins = tf.where(is_space, (previous != SPACE) | last_space, (previous != kinds) & ~behind_blank)
    apostrophe = begins & (values == ord("'")) & (kinds == OTHER)
    one, two = following(values, 1), following(values, 2)
    short = apostrophe & tf.reduce_any([one == ord(c) for c in "stmd"], axis=0)
    long = apostrophe & tf.reduce_any([(one == ord(a)) & (two == ord(b)) for a, b in ("re", "ve", "ll")], axis=0)
    taken = shifted(short | long, -1, False)
    rest = (shifted(short, -2, False) | shifted(long, -3, False)) & (kinds == LETTER) & ~first
    return (begins | rest) & ~taken
