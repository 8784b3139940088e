"""Vectors of words as the beginning of a model's embedding of pieces."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from kpt.errors import InputError
from kpt.vectors.word_vectors import WordVectors, as_words

__all__ = ["EmbeddingMatrix", "embedding_matrix", "words_of_pieces"]

#: What the pieces at the beginning of a word carry, in byte-level BPE and in SentencePiece.
WORD_MARKS = ("\u0120", "\u2581")
#: What the pieces within a word carry in WordPiece.
CONTINUATION = "##"


class EmbeddingMatrix(NamedTuple):
    """A matrix for `Embedding` layers and how it came about.

    Attributes:
        matrix: float32 [pieces, d].
        found: bool [pieces], True where a piece has the vector of its word.
        scale: root of the mean square of the values, that of the found rows and of the random ones.
    """

    matrix: np.ndarray
    found: np.ndarray
    scale: float

    @property
    def words(self) -> int:
        """Number of pieces that have the vector of their word."""
        return int(self.found.sum())


def embedding_matrix(
    vectors: WordVectors,
    pieces: Sequence[str],
    *,
    special_ids: Collection[int] = (),
    scale: float | None = None,
    ignore_case: bool = False,
    seed: int = 0,
) -> EmbeddingMatrix:
    r"""Make the embedding of a tokenizer's pieces from vectors of words.

    A piece that is a whole word gets the vector of the word; each other value is drawn from
    :math:`\mathcal{N}(0, s^2)`, s the root of the mean square of the values that were found, so that no row stands out.

    Args:
        vectors: of the words.
        pieces: the vocabulary, the index of a piece being its id: `tokenizer.vocabulary.tokens`.
        special_ids: ids of pieces that are no text, `tokenizer.vocabulary.special_ids`; their rows are random.
        scale: the root of the mean square that the whole matrix shall have; the vectors are multiplied to reach it.
            Layers whose initializer has a standard deviation (0.02 in `kpt.Encoder`) learn best near it. None leaves
            the vectors as they are.
        ignore_case: whether a word in another case counts where the piece's own is not there, the first one.
        seed: of the random values.

    Returns:
        The matrix, which rows were found, and s.

    Raises:
        InputError: no piece is among the words, or `scale` is no finite number above 0.

    Example:
        >>> vectors = WordVectors(["cat", "car"], [[1, 0], [0, 1]])
        >>> embedding = embedding_matrix(vectors, ["[PAD]", "cat", "##s", "car"], special_ids=[0])
        >>> embedding.words, embedding.matrix[1].tolist(), embedding.found.tolist()
        (2, [1.0, 0.0], [False, True, False, True])

    A model takes it by `encoder.token_embedding.embeddings.assign(embedding.matrix)`.
    """
    if scale is not None and not 0 < scale < float("inf"):
        raise InputError(f"scale is {scale}; give a finite number above 0")
    special = set(special_ids)
    upper: dict[str, int] = {}
    if ignore_case:
        for row, known_word in enumerate(vectors.words):
            upper.setdefault(known_word.upper(), row)
    places, rows = [], []
    for place, word in enumerate(words_of_pieces(pieces)):
        if word is None or place in special:
            continue
        found_row = vectors.index.get(word)
        if found_row is None:
            found_row = upper.get(word.upper())
        if found_row is not None:
            places.append(place)
            rows.append(found_row)
    if not rows:
        raise InputError(
            f"none of the {len(pieces)} pieces is among the {len(vectors)} words; give vectors of the same language "
            "and case, or ignore_case=True"
        )
    known = vectors.vectors[rows]
    found_scale = float(np.sqrt(np.mean(np.square(known, dtype=np.float64))))
    factor = 1.0 if scale is None or not found_scale else scale / found_scale
    final_scale = found_scale * factor
    matrix = np.random.default_rng(seed).normal(0, final_scale, (len(pieces), vectors.dimensions)).astype(np.float32)
    matrix[places] = known * np.float32(factor)
    found = np.zeros(len(pieces), np.bool_)
    found[places] = True
    return EmbeddingMatrix(matrix, found, final_scale)


def words_of_pieces(pieces: Sequence[str]) -> list[str | None]:
    """Return the word that each piece is; None for one that is only a part of a word.

    Where pieces begin with a mark of byte-level BPE or SentencePiece, those with it are the words (without it) and the
    others are parts. Where none does, as in WordPiece and vocabularies of words, those with `##` are parts.

    Example:
        >>> words_of_pieces(["[UNK]", "cat", "##s"]), words_of_pieces(["\u2581cat", "s"])
        (['[UNK]', 'cat', None], ['cat', None])
    """
    pieces = as_words(pieces)
    for mark in WORD_MARKS:
        if any(piece.startswith(mark) and piece != mark for piece in pieces):
            return [piece.removeprefix(mark) or None if piece.startswith(mark) else None for piece in pieces]
    return [None if piece.startswith(CONTINUATION) and piece != CONTINUATION else piece for piece in pieces]
