"""Byte-level BPE: any text to ids and back without a loss, as GPT-2 does it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kpt.errors import InputError
from kpt.text.byte_pair_encoding import OfflineBytePair, piece_bytes
from kpt.text.byte_pair_folder import END_OF_TEXT, check_pieces, read_folder, write_folder
from kpt.text.byte_pair_training import learn_merges
from kpt.text.tokenizer import Ragged, check_texts, fingerprint_of, joined_pieces
from kpt.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from kpt.text.byte_pair_graph import GraphBytePair
    from kpt.text.document import Document

__all__ = ["BytePairTokenizer"]


class BytePairTokenizer:
    r"""Splits text into words, and the bytes of words into pieces by the merges that were learned.

    Words are what GPT-2's pattern finds: English contractions, runs of letters, of numbers and of other characters,
    each with one space before it, and white space. The pieces of a word are its bytes, of which the neighbours that
    come first in the list of merges are joined, again and again. Every byte has a piece, so that no text is unknown
    and `decode` gives back exactly what `encode` was given, white space included.

    Text is plain text: a literal `<|endoftext|>` in it is the words `<|`, `endoftext` and `|>`, and no special id comes
    out of `encode`.

    Args:
        vocabulary: the pieces, in GPT-2's byte characters (`kpt.text.byte_pair_bytes`).
        merges: the pairs of pieces that are joined, the first ones first.

    Raises:
        InputError: a byte has no piece, or a merge does not join two pieces to a third.

    Example:
        >>> tokenizer = BytePairTokenizer.train(["low lower lowest"] * 3, 262)
        >>> tokenizer.encode([" lower\n", ""])
        Ragged(values=array([259,  81, 198], dtype=int32), row_splits=array([0, 3, 3]))
        >>> tokenizer.decode([259, 81, 198])
        ' lower\n'

    Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"; Sennrich et al. 2016,
    https://arxiv.org/abs/1508.07909
    """

    #: White space is text like any other, so that documents are encoded whole.
    whole_documents = True

    def __init__(self, vocabulary: Vocabulary, merges: Sequence[tuple[str, str]]) -> None:
        check_pieces(vocabulary, merges)
        self.vocabulary = vocabulary
        self.merges = tuple((left, right) for left, right in merges)
        self._offline = OfflineBytePair(vocabulary.tokens, self.merges)

    @classmethod
    def train(
        cls,
        corpus: Iterable[str | Document],
        vocabulary_size: int,
        *,
        minimum_frequency: int = 2,
        progress: bool = False,
    ) -> BytePairTokenizer:
        """Learn exactly `vocabulary_size` pieces: the 256 bytes, what merges make, and last `<|endoftext|>`.

        Args:
            corpus: texts or documents, read once.
            vocabulary_size: number of pieces, the special token included.
            minimum_frequency: how often two pieces must stand together to be merged.
            progress: whether to show progress bars.

        Raises:
            InputError: the corpus is one string or path, or it cannot give exactly that many pieces; the message says
                how many it can.

        Example:
            >>> BytePairTokenizer.train(["low lower lowest"] * 3, 260).vocabulary.tokens[-4:]
            ('lo', 'low', 'Ġlow', '<|endoftext|>')
        """
        if vocabulary_size <= 256:
            raise InputError(
                f"vocabulary_size is {vocabulary_size}; give at least 257, for the 256 bytes and {END_OF_TEXT}"
            )
        tokens, merges = learn_merges(
            corpus,
            vocabulary_size - 1,
            minimum_frequency=minimum_frequency,
            progress=progress,
            special_tokens=1,
        )
        special = {"pad": END_OF_TEXT, "end": END_OF_TEXT}
        return cls(Vocabulary.from_tokens([*tokens, END_OF_TEXT], special), merges)

    def encode(self, texts: Sequence[str | bytes]) -> Ragged:
        """Return the ids of each text, without special tokens around them.

        Args:
            texts: any strings; a lone surrogate counts as U+FFFD. Or bytes: those that are not UTF-8 are split to words
                as U+FFFD is, and have their own ids.

        Returns:
            values int32 [n] and row_splits int64 [len(texts) + 1].

        Raises:
            InputError: `texts` is one string.
        """
        check_texts(texts)
        return Ragged(*self._offline.encode(texts))

    def decode(self, ids: Iterable[int], *, skip_special_tokens: bool = False) -> str:
        r"""Return the text of ids; bytes that are not UTF-8, such as half a character, become U+FFFD.

        Args:
            ids: any ids of the vocabulary.
            skip_special_tokens: whether special tokens count as nothing instead of as their text.

        Raises:
            InputError: an id is not in the vocabulary.
        """
        return self.decode_bytes(ids, skip_special_tokens=skip_special_tokens).decode("utf-8", "replace")

    def decode_bytes(self, ids: Iterable[int], *, skip_special_tokens: bool = False) -> bytes:
        """Return the bytes of ids, exactly, as `decode` does."""
        return joined_pieces(self._pieces, ids, self.vocabulary.special_ids if skip_special_tokens else ())

    @cached_property
    def _pieces(self) -> list[bytes]:
        return piece_bytes(self.vocabulary)

    @property
    def options(self) -> dict[str, Any]:
        """What beside the pieces decides which ids a text gets: the merges."""
        return {"merges": self.merges}

    @cached_property
    def fingerprint(self) -> str:
        """Hex sha256 of the vocabulary and the merges; the same in every process."""
        return fingerprint_of("byte-pair", self.vocabulary, self.options)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write tokenizer.json, vocab.json, merges.txt and tokenizer_config.json, which Hugging Face also loads.

        Raises:
            InputError: the folder cannot be written.
        """
        write_folder(folder, self.vocabulary, self.merges)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> BytePairTokenizer:
        """Read a folder written by `save`, or any GPT-2 folder with tokenizer.json, or vocab.json and merges.txt.

        Raises:
            InputError: a file is missing or damaged, or asks for a tokenization that is not GPT-2's.
        """
        return cls(*read_folder(folder))

    def in_graph(self) -> GraphBytePair:
        """Return the same tokenization as a `tf.Module` of TensorFlow operations: string [n] to ragged int32 ids."""
        from kpt.text.byte_pair_graph import GraphBytePair

        return GraphBytePair(self.vocabulary, self.merges)
