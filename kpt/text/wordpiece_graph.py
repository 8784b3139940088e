"""WordPiece in TensorFlow operations: the same ids as `tokenizers`, in a graph that a SavedModel can hold."""

from __future__ import annotations

import re

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from kpt.errors import InputError
from kpt.text.character_graph import look_up
from kpt.text.character_tables import (
    ALONE,
    CODE_POINTS,
    ITSELF,
    LETTER,
    SPACE,
    CharacterTables,
    PagedTable,
    character_tables,
)
from kpt.text.vocabulary import CONTINUATION_PREFIX, Vocabulary
from kpt.text.wordpiece_folder import MAXIMUM_WORD_CHARACTERS

_MAXIMUM_PIECE_BYTES = 256
# Private-use characters, which no normalised text has.
_MASK = "\U000f0000"
_UNMATCHED = "\U000f0001"


class GraphWordPiece(tf.Module):
    """Text to ids with TensorFlow and TensorFlow Text alone: string [n] to ragged int32 [n, None].

    There are two ways through the graph, and each text takes the first that is exact for it:

    - a text of *simple* characters (those that BERT's normalisation leaves alone, but for white space and the case of
      ASCII letters, and that both libraries take for the same kind of character) without words of over 100 characters:
      ASCII lower case, then `FastWordpieceTokenizer`, which splits to words itself;
    - any other text: its code points through the tables of `kpt.text.character_tables`, words cut by comparing the
      classes of neighbours, then `FastWordpieceTokenizer` on whole words.

    No operation depends on the locale or on the Unicode version that TensorFlow was built with. Invalid UTF-8 counts as
    U+FFFD, which is dropped.

    Args:
        vocabulary: the pieces.
        lowercase: whether text is lowercased.
        strip_accents: whether accents are removed.
        literal_mask: keep the text of the mask token whole and give it its id.

    Example:
        >>> tokenizer = kpt.text.WordPieceTokenizer.load("tokenizer")  # doctest: +SKIP
        >>> tokenizer.in_graph()(tf.constant(["Tokenizers!"])).to_list()  # doctest: +SKIP
        [[5, 6, 7, 8]]
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        *,
        lowercase: bool,
        strip_accents: bool,
        literal_mask: bool = False,
    ) -> None:
        super().__init__()
        self._lowercase = lowercase
        self._tables = character_tables(lowercase, strip_accents)
        matchable = _matchable(vocabulary, self._tables)
        self._unknown = matchable[vocabulary.unk_id]
        self._mask_text = vocabulary.tokens[vocabulary.mask_id] if literal_mask else None
        simple = self._tables.plain & (self._tables.classes[np.arange(CODE_POINTS)] == _classes_in_graph())
        self._simple = _character_class(np.flatnonzero(simple))
        self._of_texts, self._of_words = (
            tf_text.FastWordpieceTokenizer(
                matchable,
                unknown_token=self._unknown,
                # characters, of up to 4 bytes, are counted before; in simple texts the limit is not reached
                max_bytes_per_word=4 * MAXIMUM_WORD_CHARACTERS,
                token_out_type=tf.int32,
                no_pretokenization=words,
            )
            for words in (False, True)
        )

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Return the ids of each text, without special tokens around them."""
        if self._mask_text is not None:
            # A _MASK of the text itself is dropped, as it always is; each literal mask becomes one that is not.
            texts = tf.strings.regex_replace(texts, _MASK, _UNMATCHED)
            texts = tf.strings.regex_replace(texts, re.escape(self._mask_text), _MASK)
        simple = tf.strings.regex_full_match(texts, f"[{self._simple}]*")
        longest = MAXIMUM_WORD_CHARACTERS + 1
        simple &= tf.logical_not(tf.strings.regex_full_match(texts, rf"(?s).*[^ \t\r\n]{{{longest}}}.*"))
        values, row_splits = tf.cond(
            tf.reduce_all(simple), lambda: self._encode_simple(texts), lambda: self._encode_mixed(texts, simple)
        )
        return tf.RaggedTensor.from_row_splits(values, row_splits, validate=False)

    def encode(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the ids of all texts, int32 [n], and the number of ids of each text, int64 [len(texts)]."""
        with tf.device("CPU"):
            ids = self(tf.constant(texts, tf.string))
            return ids.values.numpy(), ids.row_lengths().numpy()

    def _encode_simple(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        ids = self._of_texts.tokenize(tf.strings.lower(texts) if self._lowercase else texts)
        return ids.values, ids.row_splits

    def _encode_mixed(self, texts: tf.Tensor, simple: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        places = [tf.where(simple)[:, 0], tf.where(~simple)[:, 0]]
        parts = [self._encode_simple(tf.gather(texts, places[0])), self._encode_any(tf.gather(texts, places[1]))]
        joined = tf.concat([tf.RaggedTensor.from_row_splits(*part, validate=False) for part in parts], axis=0)
        ids = tf.gather(joined, tf.argsort(tf.concat(places, axis=0)))
        return ids.values, ids.row_splits

    def _encode_any(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        decoded = tf.strings.unicode_decode(texts, "UTF-8", errors="replace")
        code_points, splits = decoded.values, decoded.row_splits
        for number, stage in enumerate(self._tables.stages):
            if number:
                code_points = self._canonically_ordered(code_points, splits)
            code_points, splits = self._substituted(code_points, splits, stage)
        words, splits = self._words(code_points, splits)
        ids = self._of_words.tokenize(words)
        return ids.values, tf.gather(ids.row_splits, splits)

    def _substituted(self, code_points: tf.Tensor, splits: tf.Tensor, stage: PagedTable) -> tuple[tf.Tensor, tf.Tensor]:
        """Each code point replaced by the row of the table, which may be empty, and the new row splits of the texts."""
        rows = look_up(stage, code_points)
        if self._mask_text is not None:
            mask = tf.constant([ITSELF, *[0] * (stage.rows.shape[1] - 1)])
            rows = tf.where(code_points[:, None] == ord(_MASK), mask, rows)
        rows = tf.where(rows == ITSELF, code_points[:, None], rows)
        kept = rows > 0
        before = tf.concat([[0], tf.cumsum(tf.reduce_sum(tf.cast(kept, tf.int64), axis=1))], axis=0)
        return tf.boolean_mask(rows, kept), tf.gather(before, splits)

    def _canonically_ordered(self, code_points: tf.Tensor, splits: tf.Tensor) -> tf.Tensor:
        def in_order() -> tf.Tensor:
            rank = tf.cast(look_up(self._tables.order, code_points), tf.int64)
            run = tf.cumsum(tf.cast(rank == 0, tf.int64)) + tf.ragged.row_splits_to_segment_ids(splits)
            return tf.gather(code_points, tf.argsort(run * 256 + rank, stable=True))

        any_mark = tf.reduce_any(look_up(self._tables.kept_marks, code_points))
        return tf.cond(any_mark, in_order, lambda: code_points)

    def _words(self, code_points: tf.Tensor, splits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """All words, string [w], and the row splits of the texts over them."""
        classes = look_up(self._tables.classes, code_points)
        if self._mask_text is not None:
            classes = tf.where(code_points == ord(_MASK), tf.constant(ALONE, tf.uint8), classes)
        count = tf.size(code_points, tf.int64)
        begins = classes != LETTER
        begins |= tf.concat([[True], begins[:-1]], axis=0)[:count]
        row_begins = tf.scatter_nd(splits[:-1, None], tf.ones_like(splits[:-1], tf.int32), [count + 1])[:count]
        begins = (begins | (row_begins > 0)) & (classes != SPACE)
        in_word = classes != SPACE
        starts = tf.where(tf.boolean_mask(begins, in_word))[:, 0]
        characters = tf.boolean_mask(code_points, in_word)
        ends = tf.concat([starts, [tf.size(characters, tf.int64)]], axis=0)
        words = tf.RaggedTensor.from_row_splits(characters, ends, validate=False)
        long = ends[1:] - starts > MAXIMUM_WORD_CHARACTERS
        before = tf.concat([[0], tf.cumsum(tf.cast(begins, tf.int64))], axis=0)
        return tf.where(long, self._unknown, tf.strings.unicode_encode(words, "UTF-8")), tf.gather(before, splits)


def _matchable(vocabulary: Vocabulary, tables: CharacterTables) -> list[str]:
    """The pieces, with private-use characters in place of those that no text can match, special tokens included.

    Such pieces (upper case in an uncased vocabulary, punctuation within a word) are of no use, and TensorFlow Text's
    model builder refuses some of them.
    """
    alone = tables.classes[np.arange(CODE_POINTS)] == ALONE
    tokens = []
    for i, token in enumerate(vocabulary.tokens):
        characters = token.removeprefix(CONTINUATION_PREFIX) if vocabulary.continuation[i] else token
        codes = np.frombuffer(characters.encode("utf-32-le", "surrogatepass"), np.uint32)
        in_word = len(codes) > 1 or vocabulary.continuation[i]
        possible = tables.possible[codes].all() and not (in_word and alone[codes].any())
        possible &= len(codes) <= MAXIMUM_WORD_CHARACTERS
        if possible and len(characters.encode()) > _MAXIMUM_PIECE_BYTES:
            raise InputError(
                f"the piece with id {i} has {len(characters.encode())} bytes and TensorFlow Text takes at most "
                f"{_MAXIMUM_PIECE_BYTES}; remove it from the vocabulary"
            )
        tokens.append(token if possible and i not in vocabulary.special_ids else f"{_UNMATCHED}{i}")
    tokens[vocabulary.mask_id] = _MASK
    return tokens


def _classes_in_graph() -> np.ndarray:
    """How TensorFlow Text splits text at each code point of the basic plane; 255 elsewhere: uint8 [0x110000]."""
    codes = [c for c in range(0x10000) if not 0xD800 <= c < 0xE000]
    splitter = tf_text.FastWordpieceTokenizer(["[UNK]", "a"], token_out_type=tf.int32)
    pieces = splitter.tokenize(tf.constant([f"a{chr(c)}a" for c in codes])).row_lengths().numpy()
    classes = np.full(CODE_POINTS, 255, np.uint8)
    classes[codes] = np.array([255, LETTER, SPACE, ALONE])[pieces]
    return classes


def _character_class(code_points: np.ndarray) -> str:
    """The inside of a regular expression's brackets for ascending code points."""
    breaks = np.flatnonzero(np.diff(code_points) != 1)
    starts, stops = code_points[np.r_[0, breaks + 1]], code_points[np.r_[breaks, -1]]
    return "".join(f"\\x{{{a:x}}}-\\x{{{b:x}}}" for a, b in zip(starts, stops, strict=True))
