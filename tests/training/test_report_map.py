from __future__ import annotations

import re

import numpy as np

from kpt.training.report_map import fitting, map_svg, word_map
from kpt.vectors import WordVectors


def some_vectors(words: int, width: int = 8) -> WordVectors:
    random = np.random.default_rng(5)
    names = [f"w{number}" for number in range(words)]
    return WordVectors(names, random.normal(size=(words, width)), random.permutation(words) + 1)


def test_the_most_frequent_words_by_their_principal_components() -> None:
    vectors = some_vectors(30)
    placed = word_map(vectors, most=10)
    assert vectors.counts is not None
    rows = np.argsort(-vectors.counts)[:10]
    assert placed["words"] == [vectors.words[row] for row in rows]
    units = vectors.vectors[rows] / np.linalg.norm(vectors.vectors[rows], axis=1, keepdims=True)
    values, directions = np.linalg.eigh(np.cov(units.astype("float64").T))
    expected = (units - units.mean(axis=0)) @ directions[:, [-1, -2]]
    np.testing.assert_allclose(np.abs(placed["points"]), np.abs(expected), atol=1e-4)
    assert abs(placed["share"] - values[-2:].sum() / values.sum()) < 1e-4


def test_vectors_of_zeros_and_of_one_dimension_have_a_map() -> None:
    for vectors in (WordVectors(["a", "b"], np.zeros((2, 4))), WordVectors(["a"], [[2.0]])):
        placed = word_map(vectors)
        assert placed["points"] == [[0.0, 0.0]] * len(vectors) and placed["share"] == 0
        assert map_svg(placed).startswith("<svg ")


def test_words_do_not_cover_each_other() -> None:
    random = np.random.default_rng(3)
    points = random.uniform(0, 3, (200, 2))
    kept = fitting(["word"] * 200, points)
    assert kept[0] == 0 and 10 < len(kept) < 200
    for row in range(200):
        apart = np.abs(points[kept] - points[row])
        near = (apart[:, 0] < 4 * 0.62 * 9.5 / 72) & (apart[:, 1] < 1.15 * 9.5 / 72)
        assert near.sum() == 1 if row in kept else near.any()


def test_the_picture_is_inside_its_frame_and_names_words_as_they_are() -> None:
    words = ["<b>", "a$b$c", "extraordinarily", "ü"]
    svg = map_svg({"words": words, "points": [[0, 0], [1, 0], [1, 1], [0, 1]], "share": 1.0})
    written = re.findall(r"<text [^>]*>([^<]*)</text>", svg)
    assert written == ["&lt;b&gt;", "a$b$c", "extraordinarily", "ü"]
    assert "var(--ink)" in svg and "#010203" not in svg
