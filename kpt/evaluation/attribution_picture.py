"""Attributions as a picture: the text with each token in the colour of what it adds, as HTML, or bars, as PNG."""

from __future__ import annotations

import html
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from kpt.errors import InputError
from kpt.evaluation.attributions import Attributions
from kpt.files import atomic_file

__all__ = ["attribution_html", "write_picture"]

#: Red, green and blue of what adds to the output and of what takes from it.
ADDS, TAKES = (0, 121, 107), (198, 72, 28)
ROWS = 60


def attribution_html(found: Attributions) -> str:
    """Return a page with the text, each token on a background as strong as its share of the largest value.

    Args:
        found: of `token_attributions`.

    Returns:
        A whole page, without script and without anything outside itself.
    """
    largest = float(np.abs(found.values).max()) or 1.0
    marks = []
    for piece, value in zip(found.pieces, found.values, strict=True):
        red, green, blue = ADDS if value > 0 else TAKES
        style = f"background: rgba({red}, {green}, {blue}, {abs(value) / largest:.3f})"
        marks.append(f'<span style="{style}" title="{value:+.4f}">{html.escape(piece)}</span>')
    what = f"The logit of {html.escape(found.label)}" if found.label is not None else "The number"
    words = f"{what} is {found.output:.3f}, without the text {found.baseline:.3f}. Green adds to it, red takes from it."
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Attributions</title><style>\n'
        "body { font: 1.1rem/2 sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem; }\n"
        "span { padding: 0.15rem 0.25rem; border-radius: 0.2rem; }\n"
        f"</style></head><body><p>{words}</p><p>{' '.join(marks)}</p></body></html>\n"
    )


def write_picture(found: Attributions, path: Path) -> Path:
    """Write `attribution_html`, or an image of bars, a token a bar; of a long text those with the largest values.

    Args:
        found: of `token_attributions`.
        path: ends in `.html` or `.png`.

    Raises:
        InputError: the name ends otherwise, or the file cannot be written.
    """
    if path.suffix == ".html":
        with atomic_file(path) as temporary:
            temporary.write_text(attribution_html(found), encoding="utf-8")
        return path
    if path.suffix != ".png":
        raise InputError(f"{path} is neither a .html nor a .png file; name the picture so")
    rows = np.sort(np.argsort(-np.abs(found.values), kind="stable")[:ROWS])
    values = found.values[rows]
    with matplotlib.rc_context({"text.parse_math": False}):  # a token may be a dollar sign
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
        with atomic_file(path) as temporary:
            figure.savefig(temporary, format="png", dpi=150)
    return path
