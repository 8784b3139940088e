"""The report's map of words: their vectors in two dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from kpt.training.report_figures import BASELINE, INK, STYLE, page_svg
from kpt.vectors import WordVectors, principal_components

__all__ = ["map_svg", "word_map"]

#: Words of a map; more only hide each other.
WORDS = 500
SIZE, FONT, MARGINS = (11.4, 6.8), 9.5, (0.6, 0.2)
#: Width of a character and height of a line, as shares of the font's size.
WIDE, HIGH = 0.62, 1.15


def word_map(vectors: WordVectors, most: int = WORDS) -> dict[str, Any]:
    """Return where the most frequent words lie, by the principal components of their vectors of length 1.

    Args:
        vectors: words with counts, or in the order of their frequency.
        most: number of words.

    Returns:
        `words`; `points`, two coordinates for each; `share` of the variance that both directions have, from 0 to 1.
    """
    order = np.arange(len(vectors)) if vectors.counts is None else np.argsort(-vectors.counts, kind="stable")
    rows = order[:most]
    values = vectors.vectors[rows] / vectors.norms[rows, None]
    points, share = principal_components(values, min(2, vectors.dimensions))
    points = np.pad(points, ((0, 0), (0, 2 - points.shape[1])))
    return {
        "words": [vectors.words[row] for row in rows],
        "points": [[round(float(value), 4) for value in point] for point in points],
        "share": round(float(share.sum()), 4),
    }


def map_svg(placed: Mapping[str, Any]) -> str:
    """Draw a map: the words that fit, the most frequent first, and a dot for each other one.

    Args:
        placed: what `word_map` returns.

    Returns:
        An `<svg>` element in the colours of the page.
    """
    words, points = placed["words"], np.asarray(placed["points"], np.float64).reshape(-1, 2)
    low, span = points.min(axis=0), np.ptp(points, axis=0)
    inches = MARGINS + (points - low) / np.where(span > 0, span, 1) * np.subtract(SIZE, np.multiply(2, MARGINS))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=SIZE)
        axes = figure.add_axes((0, 0, 1, 1), frameon=False)
        axes.set(xlim=(0, SIZE[0]), ylim=(0, SIZE[1]), xticks=[], yticks=[])
        labelled = fitting(words, inches)
        others = np.delete(inches, labelled, axis=0)
        axes.scatter(others[:, 0], others[:, 1], s=5, color=BASELINE, linewidths=0, alpha=0.5)
        for row in labelled:
            x, y = inches[row]
            axes.text(x, y, words[row].replace("$", r"\$"), color=INK, fontsize=FONT, ha="center", va="center")
        return page_svg(figure, "Map of the most frequent words")


def fitting(words: list[str], points: np.ndarray) -> list[int]:
    """Return the words that can be written without covering one before them.

    Args:
        words: in the order of their importance.
        points: the middle of each, float [n, 2], inches.

    Example:
        >>> fitting(["the", "of", "house"], np.array([[0, 0], [0.1, 0], [2, 0]]))
        [0, 2]
    """
    halves = np.array([[WIDE * len(word), HIGH] for word in words]).reshape(-1, 2) * FONT / 72 / 2
    kept: list[int] = []
    for row, (point, half) in enumerate(zip(points, halves, strict=True)):
        if not (np.abs(points[kept] - point) < halves[kept] + half).all(axis=1).any():
            kept.append(row)
    return kept
