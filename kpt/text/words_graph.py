"""Whole words in TensorFlow operations: the ids of `WordTokenizer` in a graph that a SavedModel can hold."""

from __future__ import annotations

import re

import tensorflow as tf

from kpt.errors import InputError
from kpt.text.vocabulary import Vocabulary
from kpt.text.words_splitting import WHITE_SPACE

__all__ = ["GraphWords"]

# They stand around each match of the word pattern; a text's own become spaces.
_BEGIN, _END = "\x1e", "\x1f"
# A noncharacter stands for NUL, at which TensorFlow's lower case would end the text.
_NUL = "\U0010fffe"
# Letters and digits of ASCII alone in TensorFlow's regular expressions, of all scripts in Python's.
_DIFFERENT = re.compile(r"(?<!\\)(?:\\\\)*\\[wWdDsSbB]")


class GraphWords(tf.Module):
    r"""Text to ids with TensorFlow alone: string [n] to ragged int32 [n, None]. Invalid UTF-8 counts as U+FFFD.

    Args:
        vocabulary: the words, which go into a static hash table.
        lowercase: whether letters are made lower case.
        word_pattern: a regular expression whose matches are the words; None: words stand between white space. U+001E
            and U+001F belong to no word of a pattern here.

    Raises:
        InputError: the pattern has a class such as `\\w`, which TensorFlow takes for ASCII letters alone, or is none of
            TensorFlow's.
    """

    def __init__(self, vocabulary: Vocabulary, *, lowercase: bool = False, word_pattern: str | None = None) -> None:
        super().__init__()
        if word_pattern is not None and (found := _DIFFERENT.search(word_pattern)):
            raise InputError(
                f"the word pattern {word_pattern!r} has {found[0]}, which TensorFlow takes for ASCII alone; name the "
                "characters, as in [a-z0-9]"
            )
        self._lowercase, self._pattern = lowercase, word_pattern
        if word_pattern is not None:
            try:
                tf.strings.regex_replace("", f"(?:{word_pattern})", "")
            except tf.errors.InvalidArgumentError as error:
                raise InputError(f"TensorFlow cannot use the word pattern {word_pattern!r}; simplify it") from error
        keys = tf.constant(list(vocabulary.tokens), tf.string)
        initializer = tf.lookup.KeyValueTensorInitializer(keys, tf.range(vocabulary.size, dtype=tf.int64))
        self._table = tf.lookup.StaticHashTable(initializer, default_value=vocabulary.unk_id)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Return the ids of each text."""
        return tf.cast(self._table.lookup(self.words(texts)), tf.int32)

    def words(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Return the words of each text, ragged string [n, None]."""
        texts = tf.strings.unicode_transcode(
            texts, "UTF-8", "UTF-8", errors="replace", replace_control_characters=False
        )
        if self._lowercase:
            texts = tf.strings.regex_replace(tf.strings.regex_replace(texts, "Σ", "σ"), r"\x00", _NUL)
            texts = tf.strings.regex_replace(tf.strings.lower(texts, encoding="utf-8"), _NUL, "\0")
        if self._pattern is None:
            return tf.strings.split(tf.strings.regex_replace(texts, f"[{WHITE_SPACE}]+", " "))
        texts = tf.strings.regex_replace(texts, f"[{_BEGIN}{_END}]", " ")
        marked = tf.strings.regex_replace(texts, f"((?:{self._pattern}))", rf"{_BEGIN}\1{_END}")
        pieces = tf.strings.split(marked, _BEGIN)
        matches = tf.strings.regex_full_match(pieces.flat_values, f"(?s)[^{_END}]*{_END}.*")
        pieces = tf.ragged.boolean_mask(pieces, pieces.with_flat_values(matches))
        return pieces.with_flat_values(tf.strings.regex_replace(pieces.flat_values, f"(?s){_END}.*", ""))
