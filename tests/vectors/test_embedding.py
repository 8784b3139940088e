from __future__ import annotations

import keras
import numpy as np
import pytest

import kpt
from kpt import InputError, WordVectors
from kpt.vectors import embedding_matrix
from kpt.vectors.embedding import words_of_pieces


@pytest.fixture(scope="module")
def vectors() -> WordVectors:
    generator = np.random.default_rng(0)
    return WordVectors(["the", "cat", "sat", "Mat", "[MASK]", "##s"], generator.normal(0, 0.4, (6, 16)))


def test_words_get_their_vectors_and_the_rest_is_random_of_their_scale(vectors: WordVectors) -> None:
    pieces = ["[PAD]", "[MASK]", "cat", "##s", "the", "mat", *(f"piece{i}" for i in range(400))]
    embedding = embedding_matrix(vectors, pieces, special_ids=[0, 1])
    assert embedding.matrix.shape == (406, 16) and embedding.matrix.dtype == np.float32
    assert embedding.words == 2 and np.flatnonzero(embedding.found).tolist() == [2, 4]
    np.testing.assert_array_equal(embedding.matrix[[2, 4]], vectors[["cat", "the"]])
    expected = np.sqrt(np.mean(vectors[["cat", "the"]].astype(np.float64) ** 2))
    assert embedding.scale == pytest.approx(expected)
    assert embedding.matrix[~embedding.found].std() == pytest.approx(expected, rel=0.05)
    again = embedding_matrix(vectors, pieces, special_ids=[0, 1])
    other = embedding_matrix(vectors, pieces, special_ids=[0, 1], seed=1)
    np.testing.assert_array_equal(embedding.matrix, again.matrix)
    assert (embedding.matrix[0] != other.matrix[0]).any()


def test_the_whole_matrix_is_scaled_on_demand(vectors: WordVectors) -> None:
    embedding = embedding_matrix(vectors, ["cat", "the", *(f"piece{i}" for i in range(400))], scale=0.02)
    assert embedding.scale == pytest.approx(0.02)
    assert np.sqrt(np.mean(embedding.matrix[:2] ** 2)) == pytest.approx(0.02, rel=1e-5)
    assert embedding.matrix[2:].std() == pytest.approx(0.02, rel=0.05)
    direction = embedding.matrix[0] / np.linalg.norm(embedding.matrix[0])
    np.testing.assert_allclose(direction, vectors["cat"] / np.linalg.norm(vectors["cat"]), rtol=1e-5)


def test_case_counts_unless_it_is_ignored(vectors: WordVectors) -> None:
    pieces = ["mat", "CAT", "cat"]
    assert embedding_matrix(vectors, pieces).found.tolist() == [False, False, True]
    embedding = embedding_matrix(vectors, pieces, ignore_case=True)
    np.testing.assert_array_equal(embedding.matrix, vectors[["Mat", "cat", "cat"]])


def test_pieces_of_each_kind_of_tokenizer() -> None:
    assert words_of_pieces(["<|endoftext|>", "\u0120the", "\u0120", "ing"]) == [None, "the", None, None]
    assert words_of_pieces(["\u2581the", "\u2581", "s"]) == ["the", None, None]
    assert words_of_pieces(["the", "##s", "##"]) == ["the", None, "##"]


def test_what_fits_nothing_is_refused(vectors: WordVectors) -> None:
    with pytest.raises(InputError, match="none of the 2 pieces is among the 6 words"):
        embedding_matrix(vectors, ["der", "Hund"])
    with pytest.raises(InputError, match="scale is 0"):
        embedding_matrix(vectors, ["cat"], scale=0)


def test_an_encoder_begins_with_them(vectors: WordVectors) -> None:
    tokenizer = kpt.WordPieceTokenizer.train(["the cat sat on the mat and the cats sat too"] * 3, 36)
    vocabulary = tokenizer.vocabulary
    embedding = embedding_matrix(vectors, vocabulary.tokens, special_ids=vocabulary.special_ids, scale=0.02)
    encoder = kpt.Encoder(vocabulary.size, width=16, depth=1, heads=2, maximum_length=8)
    encoder.token_embedding.embeddings.assign(embedding.matrix)
    ids = np.array([[vocabulary.index["the"], vocabulary.index["cat"]]])
    begun = keras.ops.convert_to_numpy(encoder.token_embedding(ids))[0]
    factor = 0.02 / np.sqrt(np.mean(vectors[[w for w in ("the", "cat", "sat") if w in vocabulary.index]] ** 2))
    np.testing.assert_allclose(begun, vectors[["the", "cat"]] * factor, rtol=1e-4)
    outputs = encoder({"token_ids": ids, "segment_ids": np.zeros_like(ids), "padding_mask": np.ones_like(ids, bool)})
    assert np.isfinite(keras.ops.convert_to_numpy(outputs["sequence"])).all()
