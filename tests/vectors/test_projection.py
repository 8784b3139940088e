from __future__ import annotations

import numpy as np
import pytest

from kpt import InputError
from kpt.vectors import principal_components


def test_components_are_those_of_the_covariance() -> None:
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(40, 5)) * [5, 1, 3, 0.5, 0.1] + 7
    coordinates, share = principal_components(vectors, 3)
    values, directions = np.linalg.eigh(np.cov(vectors.T))
    for column in range(3):
        expected = (vectors - vectors.mean(axis=0)) @ directions[:, -1 - column]
        sign = np.sign(expected @ coordinates[:, column])
        np.testing.assert_allclose(coordinates[:, column], sign * expected, atol=1e-4)
    np.testing.assert_allclose(share, values[::-1][:3] / values.sum(), rtol=1e-5)


def test_the_sign_does_not_depend_on_chance() -> None:
    vectors = np.random.default_rng(1).normal(size=(10, 4))
    np.testing.assert_allclose(
        principal_components(vectors)[0], principal_components(vectors[::-1])[0][::-1], atol=1e-5
    )


def test_few_and_equal_vectors() -> None:
    coordinates, share = principal_components(np.ones((3, 4)))
    assert not coordinates.any() and not share.any()
    coordinates, share = principal_components(np.array([[1.0, 2.0, 3.0]]))
    assert coordinates.tolist() == [[0, 0]] and share.tolist() == [0, 0]


@pytest.mark.parametrize(("shape", "dimensions"), [((0, 3), 2), ((4, 1), 2), ((4, 3), 0), ((4,), 1)])
def test_what_has_no_components_is_refused(shape: tuple[int, ...], dimensions: int) -> None:
    with pytest.raises(InputError, match="components of vectors of the shape"):
        principal_components(np.ones(shape), dimensions)
