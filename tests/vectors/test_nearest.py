from __future__ import annotations

import numpy as np
import pytest

from kpt.vectors import nearest
from kpt.vectors.nearest import cosines_to_all, nearest_rows, norms_of, unit_rows


def exact(vectors: np.ndarray, queries: np.ndarray) -> np.ndarray:
    v, q = vectors.astype(np.float64), queries.astype(np.float64)
    return (q / np.linalg.norm(q, axis=1, keepdims=True)) @ (v / np.linalg.norm(v, axis=1, keepdims=True)).T


def test_lengths_and_directions() -> None:
    vectors = np.array([[3, 4], [0, 0], [0, -2]], np.float32)
    assert norms_of(vectors).tolist() == [5, 1, 2]
    assert norms_of(vectors).dtype == np.float32
    np.testing.assert_allclose(unit_rows(vectors), [[0.6, 0.8], [0, 0], [0, -1]], rtol=1e-6)
    np.testing.assert_allclose(
        cosines_to_all(vectors, norms_of(vectors), unit_rows(vectors))[0], [1, 0, -0.8], rtol=1e-6
    )


@pytest.mark.parametrize("cells", [1, 150, 1 << 24])
def test_the_nearest_are_those_of_the_full_table(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "CELLS", cells)
    generator = np.random.default_rng(1)
    vectors = generator.normal(size=(50, 6)).astype(np.float32)
    queries = generator.normal(size=(7, 6)).astype(np.float32)
    table = exact(vectors, queries)
    table[2, 30] = table[6, [4, 5]] = -np.inf
    excluded: list[list[int]] = [[], [], [30], [], [], [], [4, 5]]
    rows, cosines = nearest_rows(vectors, queries, 5, excluded=excluded)
    assert rows.tolist() == np.argsort(-table, axis=1)[:, :5].tolist()
    np.testing.assert_allclose(cosines, np.sort(table, axis=1)[:, :-6:-1], atol=1e-6)


def test_more_than_there_are_and_nothing_but_excluded() -> None:
    vectors = np.array([[1, 0], [0, 1]], np.float32)
    rows, cosines = nearest_rows(vectors, vectors[:1], 5, excluded=[[0, 1]])
    assert rows.shape == (1, 2)
    assert cosines.tolist() == [[-np.inf, -np.inf]]
    rows, cosines = nearest_rows(vectors, vectors[:0], 5)
    assert rows.shape == cosines.shape == (0, 2)


def test_equal_cosines_come_in_the_order_of_the_rows() -> None:
    vectors = np.array([[1, 0], [2, 0], [4, 0], [0, 1]], np.float32)
    assert nearest_rows(vectors, vectors[:1], 4)[0].tolist() == [[0, 1, 2, 3]]
