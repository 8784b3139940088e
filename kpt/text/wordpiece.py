"""WordPiece: text to ids and back, exactly as BERT does it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from kpt.text.tokenizer import Ragged, check_id, check_texts, fingerprint_of
from kpt.text.vocabulary import CONTINUATION_PREFIX, Vocabulary
from kpt.text.wordpiece_encoding import OfflineEncoder, bert_normalizer, bert_pre_tokenizer
from kpt.text.wordpiece_folder import read_folder, write_folder
from kpt.text.wordpiece_training import learn_pieces

if TYPE_CHECKING:
    from kpt.text.document import Document
    from kpt.text.wordpiece_graph import GraphWordPiece


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

    #: White space means nothing to it, so that documents may be encoded sentence by sentence.
    whole_documents = False

    def __init__(self, vocabulary: Vocabulary, *, lowercase: bool = True, strip_accents: bool | None = None) -> None:
        self.vocabulary = vocabulary
        self.lowercase = lowercase
        self.strip_accents = lowercase if strip_accents is None else strip_accents
        self._offline = OfflineEncoder(vocabulary, lowercase=lowercase, strip_accents=self.strip_accents)

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
            InputError: the corpus is one string or path, or it cannot give exactly that many pieces; the message says
                how many it can.

        Example:
            >>> WordPieceTokenizer.train(["low lower lowest"] * 3, 21).vocabulary.tokens[-2:]
            ('lo', 'low')
        """
        pieces = learn_pieces(
            corpus,
            vocabulary_size,
            bert_normalizer(lowercase, lowercase),
            bert_pre_tokenizer(),
            minimum_frequency=minimum_frequency,
            progress=progress,
        )
        return cls(Vocabulary.from_tokens(pieces), lowercase=lowercase)

    def encode(self, texts: Sequence[str], *, literal_mask: bool = False) -> Ragged:
        """Return the ids of each text, without special tokens around them.

        Two implementations give the same ids: a table of words, which is there at once; and, from the eighth million of
        characters on, the TensorFlow operations of `in_graph` if this is a main process that has loaded TensorFlow.
        They are about twice as fast on English and take seconds to build.

        Args:
            texts: any strings; a lone surrogate counts as U+FFFD, which is dropped.
            literal_mask: keep the text of the mask token, `[MASK]`, whole and give it its id.

        Returns:
            values int32 [n] and row_splits int64 [len(texts) + 1].

        Raises:
            InputError: `texts` is one string.
        """
        check_texts(texts)
        return Ragged(*self._offline.encode(texts, literal_mask=literal_mask))

    def decode(self, ids: Iterable[int], *, skip_special_tokens: bool = False) -> str:
        """Join pieces to text: a space between words, none before a `##` piece.

        Args:
            ids: any ids of the vocabulary.
            skip_special_tokens: whether special tokens count as nothing instead of as their text.

        Raises:
            InputError: an id is not in the vocabulary.
        """
        words: list[str] = []
        special = frozenset(self.vocabulary.special_ids) if skip_special_tokens else frozenset()
        for i in map(int, ids):
            if i in special:
                continue
            token = self.vocabulary.tokens[check_id(i, self.vocabulary.size)]
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
        return fingerprint_of("wordpiece", self.vocabulary, self.options)

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

    def in_graph(self, *, literal_mask: bool = False) -> GraphWordPiece:
        """Return the same tokenization as a `tf.Module` of TensorFlow operations: string [n] to ragged int32 ids."""
        from kpt.text.wordpiece_graph import GraphWordPiece

        return GraphWordPiece(self.vocabulary, literal_mask=literal_mask, **self.options)
