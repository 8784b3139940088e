from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from kpt.vectors import latent_semantic_vectors


def counts(documents: int, tokens: int, seed: int = 0) -> np.ndarray:
    """Return how often documents have tokens; each is about the first or the second half of them."""
    generator = np.random.default_rng(seed)
    about = np.repeat([[2.0, 0.2], [0.2, 2.0]], [documents // 2, documents - documents // 2], axis=0)
    return generator.poisson(np.repeat(about, tokens // 2, axis=1)) + np.eye(documents, 2 * (tokens // 2), dtype=int)


def by_definition(n: np.ndarray, width: int) -> np.ndarray:
    """Compute the vectors' inner products in float64, which do not depend on the signs of singular vectors."""
    documents = len(n)
    having = (n > 0).sum(axis=0)
    x = np.where(n > 0, 1 + np.log(np.maximum(n, 1)), 0) * (1 + np.log((1 + documents) / (1 + having)))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    _, values, right = np.linalg.svd(x, full_matrices=False)
    vectors = (right[:width] * np.sqrt(values[:width])[:, None]).T
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors -= (having[:, None] * vectors).sum(axis=0) / having.sum()
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors @ vectors.T


@pytest.mark.parametrize(("documents", "tokens"), [(40, 30), (900, 500)])
def test_they_are_what_the_formula_says(documents: int, tokens: int) -> None:
    n = counts(documents, tokens)
    vectors = latent_semantic_vectors(sparse.csr_matrix(n), 4)
    assert vectors.shape == (tokens, 4) and vectors.dtype == np.float32
    np.testing.assert_allclose(vectors @ vectors.T, by_definition(n, 4), atol=2e-5)
    again = latent_semantic_vectors(sparse.csr_matrix(n), 4)
    np.testing.assert_array_equal(again, vectors)


def test_tokens_of_the_same_documents_are_near_each_other() -> None:
    vectors = latent_semantic_vectors(sparse.csr_matrix(counts(60, 40)), 2)
    near = vectors @ vectors.T
    assert near[:20, :20].mean() > 0.8 and near[20:, 20:].mean() > 0.8 and near[:20, 20:].mean() < -0.5


def test_a_token_of_no_document_has_zeros_and_the_rank_is_the_limit() -> None:
    n = np.concatenate([counts(6, 10), np.zeros((6, 3), int)], axis=1)
    vectors = latent_semantic_vectors(sparse.csr_matrix(n), 50)
    assert vectors.shape == (13, 5)
    assert not vectors[10:].any() and np.allclose(np.linalg.norm(vectors[:10], axis=1), 1, atol=1e-5)
    assert latent_semantic_vectors(sparse.csr_matrix(np.zeros((1, 4))), 8).tolist() == [[0.0]] * 4
