"""Documents to ids, sentence by sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, NamedTuple, Protocol

import numpy as np

__all__ = ["DocumentError", "EncodedDocuments", "Split", "TextEncoder", "encode_documents"]

Split = Callable[[str], Sequence[str]]


class TextEncoder(Protocol):
    """What `encode_documents` needs of a tokenizer."""

    def encode(self, texts: Sequence[str]) -> Any:
        """Return `(values, row_splits)`: the ids of all texts, and where each text's ids start and end."""


class EncodedDocuments(NamedTuple):
    """Documents as the store takes them; sentences and documents without a token are left out.

    Attributes:
        token_ids: ids of all sentences, one after the other.
        sentence_lengths: tokens of each sentence.
        sentence_counts: sentences of each document.
        without_tokens: number of documents left out.
        bytes: size of the texts in UTF-8.
    """

    token_ids: np.ndarray
    sentence_lengths: np.ndarray
    sentence_counts: np.ndarray
    without_tokens: int
    bytes: int


class DocumentError(Exception):
    """Splitting or encoding failed on one document.

    Args:
        index: which of the documents that were passed.
        reason: the exception in words.
    """

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(index, reason)
        self.index, self.reason = index, reason


def encode_documents(texts: Sequence[str], tokenizer: TextEncoder, split: Split) -> EncodedDocuments:
    """Split documents into sentences and these into ids.

    Args:
        texts: the documents.
        tokenizer: encodes the sentences, all in one call.
        split: divides a document into sentences.

    Raises:
        DocumentError: splitting or encoding raised an exception; it names the document.

    Example:
        >>> from kpt.text import Vocabulary, WordPieceTokenizer
        >>> tokenizer = WordPieceTokenizer(Vocabulary.from_tokens("[PAD] [UNK] [CLS] [SEP] [MASK] a b .".split()))
        >>> encoded = encode_documents(["a b. b.", " ", "a"], tokenizer, lambda text: text.split("  "))
        >>> encoded.token_ids, encoded.sentence_counts, encoded.without_tokens
        (array([5, 6, 7, 6, 7, 5], dtype=int32), array([1, 1]), 1)
    """
    sentences: list[Sequence[str]] = []
    for index, text in enumerate(texts):
        try:
            sentences.append(split(text))
        except Exception as error:
            raise DocumentError(index, _in_words(split, error)) from error
    try:
        token_ids, row_splits = tokenizer.encode(list(chain.from_iterable(sentences)))
    except Exception as error:
        raise _blame(sentences, tokenizer, error) from error
    lengths = np.diff(row_splits)
    document = np.repeat(np.arange(len(texts)), [len(parts) for parts in sentences])
    counts = np.bincount(document[lengths > 0], minlength=len(texts))
    size = sum(len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass")) for text in texts)
    return EncodedDocuments(
        token_ids, lengths[lengths > 0], counts[counts > 0], int(np.count_nonzero(counts == 0)), size
    )


def _blame(sentences: list[Sequence[str]], tokenizer: TextEncoder, error: Exception) -> DocumentError:
    """Find the document that the tokenizer fails on; the first, where it fails on all of them together alone."""
    for index, parts in enumerate(sentences):
        try:
            tokenizer.encode(list(parts))
        except Exception as found:
            return DocumentError(index, _in_words(tokenizer.encode, found))
    return DocumentError(0, _in_words(tokenizer.encode, error))


def _in_words(function: Any, error: Exception) -> str:
    name = getattr(function, "__name__", type(function).__name__)
    return f"{name} raised {type(error).__name__}: {error}".rstrip(": ")
