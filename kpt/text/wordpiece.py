"""WordPiece: text to ids and back, exactly as BERT does it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kpt.errors import InputError
from kpt.text.vocabulary import CONTINUATION_PREFIX, Vocabulary
from kpt.text.wordpiece_folder import MAXIMUM_WORD_CHARACTERS, read_folder, write_folder
from kpt.text.wordpiece_training import learn_pieces, replace_surrogates

if TYPE_CHECKING:
    import tensorflow as tf
    import tokenizers
    from kpt.text.corpus import Document

_PRIVATE_USE = range(0xE000, 0xF900)


class Ragged(NamedTuple):
    """Rows of different lengths: row i is `values[row_splits[i]:row_splits[i + 1]]`.

    Example:
        >>> Ragged(np.array([5, 6, 7]), np.array([0, 2, 3])).row(0)
        array([5, 6])
    """

    values: np.ndarray
    row_splits: np.ndarray

    def row(self, i: int) -> np.ndarray:
        """Return row i, a view."""
        return self.values[self.row_splits[i] : self.row_splits[i + 1]]


class WordPieceTokenizer:
    """Splits text into words and words into the longest pieces of a vocabulary.

    A text is cleaned (control and private-use characters dropped, white space made spaces), spaces are put around
    Chinese characters, and where `lowercase` is True it is decomposed (NFD), loses its accents (category Mn) and is
    lowercased. Words are then split at spaces and around each punctuation character. A word becomes the longest piece
    it begins with, then the longest `##` piece that the rest begins with, and so on; the unknown token if that fails or
    if the word has more than 100 characters.

    Text is plain text: a literal `[CLS]` in it is the words `[`, `cls` and `]`, and the only special ids that come out
    of `encode` are the unknown token's and, under `literal_mask=True`, the mask token's.

    Args:
        vocabulary: the pieces.
        lowercase: whether text is lowercased.
        strip_accents: whether accents are removed; None: as `lowercase`.

    Example:
        >>> pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "token", "##izer", "##s", "!"]
        >>> tokenizer = WordPieceTokenizer(Vocabulary.from_tokens(pieces))
        >>> tokenizer.encode(["Tokenizers!", "", "tokens?"])
        Ragged(values=array([5, 6, 7, 8, 5, 7, 1], dtype=int32), row_splits=array([0, 4, 4, 7]))
        >>> tokenizer.decode([5, 6, 7, 8])
        'tokenizers !'

    Source: Devlin et al. 2018, "BERT", https://arxiv.org/abs/1810.04805
    """

    def __init__(self, vocabulary: Vocabulary, *, lowercase: bool = True, strip_accents: bool | None = None) -> None:
        self.vocabulary = vocabulary
        self.lowercase = lowercase
        self.strip_accents = lowercase if strip_accents is None else strip_accents
        self._backends: dict[bool, tokenizers.Tokenizer] = {}

    @classmethod
    def train(
        cls,
        corpus: Iterable[str | Document],
        vocabulary_size: int,
        *,
        lowercase: bool = True,
        minimum_frequency: int = 2,
        progress: bool = False,
    ) -> WordPieceTokenizer:
        """Learn a vocabulary of exactly `vocabulary_size` pieces; ids 0 to 4 are [PAD] [UNK] [CLS] [SEP] [MASK].

        Args:
            corpus: texts or documents; streamed, and read twice if it can be iterated again.
            vocabulary_size: number of pieces, special tokens included.
            lowercase: whether text is lowercased and loses its accents.
            minimum_frequency: how often two pieces must stand together to be merged.
            progress: whether to show progress bars.

        Raises:
            InputError: the corpus cannot give exactly that many pieces; the message says how many it can.

        Example:
            >>> tokenizer = WordPieceTokenizer.train(["low lower lowest"] * 3, 20)
            >>> tokenizer.vocabulary.tokens[-1]
            'lowe'
        """
        pieces = learn_pieces(
            corpus,
            vocabulary_size,
            _normalizer(lowercase, lowercase),
            _pre_tokenizer(),
            minimum_frequency=minimum_frequency,
            progress=progress,
        )
        return cls(Vocabulary.from_tokens(pieces), lowercase=lowercase)

    def encode(self, texts: Sequence[str], *, literal_mask: bool = False) -> Ragged:
        """Return the ids of each text, without special tokens around them.

        Args:
            texts: any strings; a lone surrogate counts as U+FFFD, which is dropped.
            literal_mask: keep the text of the mask token, `[MASK]`, whole and give it its id.

        Returns:
            values int32 [n] and row_splits int64 [len(texts) + 1].
        """
        if isinstance(texts, str):
            raise InputError(f"encode takes a sequence of texts and got one text, {texts[:40]!r}; pass [text]")
        backend = self._backend(literal_mask)
        try:
            encodings = backend.encode_batch_fast(list(texts), add_special_tokens=False)
        except (TypeError, UnicodeEncodeError):  # lone surrogates
            encodings = backend.encode_batch_fast([replace_surrogates(t) for t in texts], add_special_tokens=False)
        ids = [encoding.ids for encoding in encodings]
        row_splits = np.zeros(len(ids) + 1, np.int64)
        np.cumsum([len(row) for row in ids], out=row_splits[1:])
        values = np.fromiter(chain.from_iterable(ids), np.int32, int(row_splits[-1]))
        if literal_mask:
            values[values == self.vocabulary.size] = self.vocabulary.mask_id
        return Ragged(values, row_splits)

    def decode(self, ids: Iterable[int]) -> str:
        """Join pieces to text: a space between words, none before a `##` piece.

        Raises:
            InputError: an id is not in the vocabulary.
        """
        words: list[str] = []
        for i in map(int, ids):
            if not 0 <= i < self.vocabulary.size:
                raise InputError(f"the id {i} is not in the vocabulary, whose ids are 0 to {self.vocabulary.size - 1}")
            token = self.vocabulary.tokens[i]
            if words and self.vocabulary.continuation[i]:
                words[-1] += token.removeprefix(CONTINUATION_PREFIX)
            else:
                words.append(token)
        return " ".join(words)

    @property
    def options(self) -> dict[str, Any]:
        """What beside the pieces decides which ids a text gets."""
        return {"lowercase": self.lowercase, "strip_accents": self.strip_accents}

    @property
    def fingerprint(self) -> str:
        """Hex sha256 of the vocabulary and the options; the same in every process."""
        vocabulary = self.vocabulary
        content = {
            "kind": "wordpiece",
            **self.options,
            "tokens": vocabulary.tokens,
            "named_ids": [getattr(vocabulary, f"{role}_id") for role in ("pad", "unk", "cls", "sep", "mask")],
            "special_ids": vocabulary.special_ids,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write tokenizer.json, vocab.txt and tokenizer_config.json, which Hugging Face's tokenizers also load.

        Raises:
            InputError: the folder cannot be written.
        """
        write_folder(folder, self.vocabulary, lowercase=self.lowercase, strip_accents=self.strip_accents)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> WordPieceTokenizer:
        """Read a folder written by `save`, or any BERT folder with tokenizer.json or vocab.txt; runs no code from it.

        Raises:
            InputError: a file is missing or damaged, or asks for a tokenization that is not BERT's.
        """
        vocabulary, options = read_folder(folder)
        return cls(vocabulary, **options)

    def in_graph(self, *, literal_mask: bool = False) -> tf.Module:
        """Return the same tokenization in TensorFlow operations: string [n] to ragged int32 ids, for a SavedModel."""
        from kpt.text.wordpiece_graph import GraphWordPiece

        return GraphWordPiece(
            self.vocabulary, matchable_tokens(self.vocabulary), literal_mask=literal_mask, **self.options
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_backends": {}}

    def _backend(self, literal_mask: bool) -> tokenizers.Tokenizer:
        """A Hugging Face tokenizer in which no text matches a special token; a literal mask has the id `size`."""
        if literal_mask not in self._backends:
            from tokenizers import AddedToken, Tokenizer, models

            tokens = matchable_tokens(self.vocabulary)
            model = models.WordPiece(
                {token: i for i, token in enumerate(tokens)},
                unk_token=tokens[self.vocabulary.unk_id],
                max_input_chars_per_word=MAXIMUM_WORD_CHARACTERS,
            )
            backend = Tokenizer(model)
            backend.normalizer = _normalizer(self.lowercase, self.strip_accents)
            backend.pre_tokenizer = _pre_tokenizer()
            if literal_mask:
                mask = self.vocabulary.tokens[self.vocabulary.mask_id]
                backend.add_special_tokens([AddedToken(mask, normalized=False)])
            self._backends[literal_mask] = backend
        return self._backends[literal_mask]


def matchable_tokens(vocabulary: Vocabulary) -> list[str]:
    """The pieces, with private-use characters, which no cleaned text has, in place of the special tokens."""
    taken = {character for token in vocabulary.tokens for character in token}
    free = (chr(code) for code in _PRIVATE_USE if chr(code) not in taken)
    special = set(vocabulary.special_ids)
    return [next(free) if i in special else token for i, token in enumerate(vocabulary.tokens)]


def _normalizer(lowercase: bool, strip_accents: bool) -> tokenizers.normalizers.Normalizer:
    from tokenizers import normalizers

    return normalizers.BertNormalizer(lowercase=lowercase, strip_accents=strip_accents)


def _pre_tokenizer() -> tokenizers.pre_tokenizers.PreTokenizer:
    from tokenizers import pre_tokenizers

    return pre_tokenizers.BertPreTokenizer()
