"""Vectors of tokens by the documents that they occur in: latent semantic analysis."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["latent_semantic_vectors"]

#: Up to this many documents or tokens the decomposition is computed as a dense one.
DENSE = 400


def latent_semantic_vectors(counts: Any, width: int) -> np.ndarray:
    r"""Return a vector for each token, near those of tokens that occur in the same documents.

    .. math:: X_{dt} = (1 + \log n_{dt}) \left(1 + \log\frac{1 + D}{1 + D_t}\right), \qquad
        \frac{X_d}{\lVert X_d \rVert} \approx U \Sigma V^\top, \qquad e_t \propto (V \Sigma^{1/2})_t - m

    with :math:`n_{dt}` how often document d of D has the token t, :math:`D_t` how many documents have it, and m the
    mean of the unit vectors :math:`(V \Sigma^{1/2})_t` by :math:`D_t`, which all of them share. The result has
    length 1.

    Args:
        counts: :math:`n_{dt}` as a `scipy.sparse` matrix [documents, tokens].
        width: numbers of a vector at most; there are fewer where there are not as many documents or tokens.

    Returns:
        float32 [tokens, width]; a token that no document has gets zeros.

    Example:
        >>> import scipy.sparse
        >>> counts = scipy.sparse.csr_matrix([[3, 1, 0, 0], [1, 2, 0, 0], [0, 0, 1, 1], [0, 0, 2, 1]])
        >>> vectors = latent_semantic_vectors(counts, 2)
        >>> [round(float(vectors[0] @ vectors[other]), 2) for other in (1, 2)]
        [1.0, -1.0]

    Source: Deerwester et al. 1990, "Indexing by Latent Semantic Analysis"; Caron 2001 (powers of :math:`\Sigma`); Mu
    and Viswanath 2018, "All-but-the-Top" (the shared mean).
    """
    from scipy import sparse
    from scipy.sparse import linalg

    matrix = sparse.csr_matrix(counts, dtype=np.float64)
    matrix.eliminate_zeros()
    documents, tokens = matrix.shape
    occurring = np.bincount(matrix.indices, minlength=tokens)
    rank = max(1, min(width, documents - 1, tokens - 1))
    matrix.data = 1 + np.log(matrix.data)
    matrix = matrix @ sparse.diags(1 + np.log((1 + documents) / (1 + occurring)))
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    matrix = sparse.diags(1 / np.maximum(lengths, 1e-12)) @ matrix
    if min(documents, tokens) <= max(DENSE, 2 * rank):
        _, values, right = np.linalg.svd(matrix.toarray(), full_matrices=False)
        values, right = values[:rank], right[:rank]
    else:
        start = np.random.default_rng(0).standard_normal(min(documents, tokens))
        _, values, right = linalg.svds(matrix, k=rank, v0=start)
    vectors = _unit(right.T * np.sqrt(values))
    vectors = _unit(vectors - (occurring @ vectors) / max(occurring.sum(), 1))
    vectors[occurring == 0] = 0
    return np.ascontiguousarray(vectors, np.float32)


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 1e-9, lengths, 1)
