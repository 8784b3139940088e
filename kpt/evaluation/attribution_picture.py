"""Attributions as a picture: the text with each token in the colour of what it adds, or bars."""

from __future__ import annotations

import html

import numpy as np
from matplotlib.figure import Figure

from kpt.evaluation.attributions import Attributions

__all__ = ["attribution_figure", "attribution_section"]

#: Red, green and blue of what adds to the output and of what takes from it.
ADDS, TAKES = (0, 121, 107), (198, 72, 28)
ROWS = 60


def attribution_section(found: Attributions) -> str:
    """Return a section of a page with the text, each token on a background as strong as its share of the largest value.

    Args:
        found: of `token_attributions`.
    """
    largest = float(np.abs(found.values).max()) or 1.0
    marks = []
    for piece, value in zip(found.pieces, found.values, strict=True):
        red, green, blue = ADDS if value > 0 else TAKES
        style = f"background: rgba({red}, {green}, {blue}, {abs(value) / largest:.3f})"
        marks.append(f'<span style="{style}" title="{value:+.4f}">{html.escape(piece)}</span>')
    what = f"The logit of {html.escape(found.label)}" if found.label is not None else "The number"
    words = f"{what} is {found.output:.3f}, without the text {found.baseline:.3f}. Green adds to it, red takes from it."
    return f'<section class="attributions"><p>{words}</p><p>{" ".join(marks)}</p></section>'


def attribution_figure(found: Attributions) -> Figure:
    """Return a figure of bars, a token a bar; of a long text those with the largest values.

    Args:
        found: of `token_attributions`.
    """
    rows = np.sort(np.argsort(-np.abs(found.values), kind="stable")[:ROWS])
    values = found.values[rows]
    figure = Figure(figsize=(6, 0.6 + 0.24 * len(rows)), layout="constrained")
    axes = figure.subplots()
    colours = [tuple(part / 255 for part in (ADDS if value > 0 else TAKES)) for value in values]
    axes.barh(np.arange(len(rows)), values, color=colours)
    axes.set_yticks(np.arange(len(rows)), [found.pieces[row] for row in rows])
    axes.invert_yaxis()
    axes.axvline(0, color="0.4", linewidth=0.8)
    what = f"logit of {found.label}" if found.label is not None else "number"
    axes.set_xlabel(f"added to the {what}: {found.baseline:.2f} to {found.output:.2f}")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    return figure
