"""Vectors in two dimensions: their principal components."""

from __future__ import annotations

import numpy as np

from kpt.errors import InputError

__all__ = ["principal_components"]


def principal_components(vectors: np.ndarray, dimensions: int = 2) -> tuple[np.ndarray, np.ndarray]:
    r"""Project vectors on the directions in which they differ most.

    .. math:: X - \bar{X} = U \Sigma V^T, \quad Y = U \Sigma

    of which the first columns are kept. The sign of a direction is arbitrary; here its largest entry is positive, so
    that the same vectors always give the same picture.

    Args:
        vectors: [n, d].
        dimensions: directions to keep, at most d.

    Returns:
        The coordinates Y, float32 [n, dimensions] (zeros where n gives fewer directions), and the share of the variance
        in each direction, float32 [dimensions].

    Raises:
        InputError: there are fewer than `dimensions` values in a vector, or no vector.

    Example:
        >>> coordinates, share = principal_components(np.array([[0, 0], [3, 4], [6, 8]]), 1)
        >>> coordinates.round(3).tolist(), share.tolist()
        ([[-5.0], [0.0], [5.0]], [1.0])

    Source: Pearson 1901, "On Lines and Planes of Closest Fit to Systems of Points in Space".
    """
    values = np.asarray(vectors, np.float64)
    if values.ndim != 2 or not len(values) or not 1 <= dimensions <= values.shape[1]:
        raise InputError(
            f"{dimensions} components of vectors of the shape {list(values.shape)}; give fewer, or vectors"
        )
    left, scale, right = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
    kept = min(dimensions, len(scale))
    signs = np.sign(right[np.arange(kept), np.abs(right[:kept]).argmax(axis=1)])
    coordinates = np.zeros((len(values), dimensions), np.float32)
    share = np.zeros(dimensions, np.float32)
    coordinates[:, :kept] = left[:, :kept] * scale[:kept] * np.where(signs == 0, 1, signs)
    share[:kept] = scale[:kept] ** 2 / max(np.sum(scale**2), np.finfo(np.float64).tiny)
    return coordinates, share
