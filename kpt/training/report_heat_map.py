"""The report's heat map: the score of every task after every stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import matplotlib
import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from kpt.training.report_figures import GRID, HELD_OUT, INK, STYLE, TRAIN, page_svg

__all__ = ["heat_map_svg"]

#: Inches of a cell, and of the names around the cells.
CELL, LEFT, TOP = (1.15, 0.52), 1.9, 0.5


def heat_map_svg(
    title: str,
    values: Sequence[Sequence[float]],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    forms: Sequence[Callable[[float], str]],
) -> str:
    """Draw a matrix of scores: the higher a value in its column, the stronger the colour.

    Args:
        title: what the figure shows; it becomes the figure's name for screen readers.
        values: `[rows, columns]`.
        rows: their names.
        columns: their names.
        forms: of each column what writes its values.

    Returns:
        An `<svg>` element in the colours of the page. The cell of the stage in which a task was learned has a frame.
    """
    matrix = np.asarray(values, np.float64)
    low, high = matrix.min(axis=0), matrix.max(axis=0)
    strength = 0.08 + 0.52 * (matrix - low) / np.where(high > low, high - low, 1)
    width, height = LEFT + CELL[0] * len(columns), TOP + CELL[1] * len(rows)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width + 0.1, height + 0.1))
        axes = figure.add_axes((0, 0, 1, 1), frameon=False)
        axes.set_xlim(0, width + 0.1)
        axes.set_ylim(height + 0.1, 0)
        axes.axis("off")
        for column, name in enumerate(columns):
            axes.text(LEFT + CELL[0] * (column + 0.5), TOP - 0.18, name, ha="center", va="center", color=INK)
        for row, name in enumerate(rows):
            middle = TOP + CELL[1] * (row + 0.5)
            axes.text(LEFT - 0.15, middle, name, ha="right", va="center", color=INK)
            for column, value in enumerate(matrix[row]):
                corner = LEFT + CELL[0] * column, TOP + CELL[1] * row
                face = to_rgba(TRAIN, float(strength[row, column]))
                axes.add_patch(Rectangle(corner, *CELL, facecolor=face, edgecolor=GRID, linewidth=0.8))
                axes.text(
                    corner[0] + CELL[0] / 2, middle, forms[column](float(value)), ha="center", va="center", color=INK
                )
        for each in range(min(len(rows), len(columns))):
            corner = LEFT + CELL[0] * each + 0.03, TOP + CELL[1] * each + 0.03
            sides = CELL[0] - 0.06, CELL[1] - 0.06
            axes.add_patch(Rectangle(corner, *sides, fill=False, edgecolor=HELD_OUT, linewidth=1.8))
        return page_svg(figure, title)
