"""The rows of a matrix that point the same way as a query: exact, by matrix products of bounded size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["cosines_to_all", "nearest_rows", "norms_of", "unit_rows"]

#: Cosines that are in memory at once: 64 MiB of float32.
CELLS = 1 << 24


def norms_of(vectors: np.ndarray) -> np.ndarray:
    """Return the Euclidean norm of each row, float32 [n]; 1 for a row of zeros, whose cosines are then 0.

    Example:
        >>> norms_of(np.array([[3.0, 4.0], [0.0, 0.0]], np.float32)).tolist()
        [5.0, 1.0]
    """
    norms = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64, casting="unsafe"))
    return np.where(norms == 0, 1, norms).astype(np.float32)


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Return the rows at length 1, float32 [n, d]; rows of zeros stay."""
    return vectors / norms_of(vectors)[:, None]


def cosines_to_all(vectors: np.ndarray, norms: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Return the cosine of each query with each row, float32 [q, n]; the queries have length 1 or 0."""
    return (queries @ vectors.T) / norms


def nearest_rows(
    vectors: np.ndarray,
    queries: np.ndarray,
    k: int,
    *,
    norms: np.ndarray | None = None,
    excluded: Sequence[Sequence[int]] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Return for each query the k rows of the highest cosine, the highest first.

    .. math:: \cos(q, v) = \frac{q \cdot v}{|q| |v|}

    Queries are taken in blocks, so that no more than 64 MiB of cosines (or those of one query) are in memory.

    Args:
        vectors: float32 [n, d].
        queries: float32 [q, d], of any length; one of zeros has cosine 0 with everything.
        k: rows for each query, at least 1; where there are fewer than k, all of them.
        norms: `norms_of(vectors)`, where they are at hand.
        excluded: for each query the rows that are no answer.

    Returns:
        rows, int64 [q, min(k, n)], and cosines, float32 of that shape. An excluded row comes only where nothing else is
        left, with the cosine minus infinity.

    Example:
        >>> vectors = np.array([[1, 0], [0, 1], [1, 1], [-1, 0]], np.float32)
        >>> rows, cosines = nearest_rows(vectors, vectors[:1], 2, excluded=[[0]])
        >>> rows.tolist(), cosines.round(3).tolist()
        ([[2, 1]], [[0.7070000171661377, 0.0]])
    """
    norms = norms_of(vectors) if norms is None else norms
    queries = unit_rows(np.asarray(queries, np.float32))
    k = min(k, len(vectors))
    rows = np.empty((len(queries), k), np.int64)
    found = np.empty((len(queries), k), np.float32)
    step = max(1, CELLS // max(1, len(vectors)))
    for begin in range(0, len(queries), step):
        block = slice(begin, begin + step)
        cosines = cosines_to_all(vectors, norms, queries[block])
        for cells, banned in zip(cosines, (excluded or [()] * len(queries))[block], strict=True):
            cells[list(banned)] = -np.inf
        best = np.argpartition(-cosines, k - 1, axis=1)[:, :k]
        values = np.take_along_axis(cosines, best, axis=1)
        order = np.lexsort((best, -values), axis=1)  # equal cosines in the order of the rows
        rows[block] = np.take_along_axis(best, order, axis=1)
        found[block] = np.take_along_axis(values, order, axis=1)
    return rows, found
