"""The figures of the report: curves over steps as SVG text that takes its colours from the page's style sheet."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

__all__ = ["Curve", "curves_svg", "page_svg", "smooth", "thinned"]

# More points than this a curve of a figure has not: smoothing takes time and memory that grow with their square.
MOST_POINTS = 600

# Colours that stand in the SVG where the page's own go, so that one figure serves light and dark pages.
INK, QUIET, GRID, TRAIN, HELD_OUT, BASELINE = "#010203", "#020304", "#030405", "#040506", "#050607", "#060708"
PAGE_COLOURS = {
    INK: "var(--ink)",
    QUIET: "var(--quiet)",
    GRID: "var(--grid)",
    TRAIN: "var(--train)",
    HELD_OUT: "var(--held-out)",
    BASELINE: "var(--baseline)",
}
STYLE = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10.5,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": QUIET,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "path.simplify": True,
}


@dataclass(frozen=True)
class Curve:
    """One line of a figure.

    Args:
        steps: where it was measured.
        values: what was measured.
        kind: `"train"`: every point faint and their smoothed course strong; `"heldout"`: points joined by a line;
            `"exact"`: a line through values without noise.
    """

    steps: Sequence[float] = field(default_factory=list)
    values: Sequence[float] = field(default_factory=list)
    kind: str = "train"


def smooth(steps: Sequence[float], values: Sequence[float], width: float = 0.03) -> list[float]:
    r"""Return the course of noisy values: at each step the value there of a line fitted to what is near.

    The points are weighted by a Gaussian around the step, :math:`w_i = \exp(-(t_i - t)^2 / 2 h^2)`, so the course
    follows a steep beginning and neither lags nor bends at the ends, as a moving average does.

    Args:
        steps: where it was measured.
        values: what was measured.
        width: :math:`h` as a share of the whole range; at least two points wide.

    Example:
        >>> [round(value, 3) for value in smooth([1, 2, 3, 4], [1.0, 2.0, 3.0, 4.0])]
        [1.0, 2.0, 3.0, 4.0]

    Source: Cleveland 1979, "Robust Locally Weighted Regression and Smoothing Scatterplots".
    """
    if len(values) < 3:
        return list(values)
    t, y = np.asarray(steps, np.float64), np.asarray(values, np.float64)
    bandwidth = max(width, 2 / (len(t) - 1)) * (t[-1] - t[0])
    distance = t[None, :] - t[:, None]
    weights = np.exp(-0.5 * (distance / bandwidth) ** 2)
    s0, s1, s2 = weights.sum(1), (weights * distance).sum(1), (weights * distance**2).sum(1)
    course = (s2 * (weights @ y) - s1 * ((weights * distance) @ y)) / (s0 * s2 - s1**2)
    return [float(value) for value in course]


def thinned(curve: Curve, most: int = MOST_POINTS) -> Curve:
    """Return a curve of at most so many points: means of neighbours for `"train"`, else points evenly chosen.

    Args:
        curve: any curve.
        most: the most points, 2 or more.

    Example:
        >>> thinned(Curve([1, 2, 3, 4], [1.0, 3.0, 5.0, 7.0]), most=2).values
        [2.0, 6.0]
        >>> thinned(Curve([1, 2, 3, 4, 5], [1.0, 3.0, 5.0, 7.0, 9.0], "exact"), most=3).values
        [1.0, 5.0, 9.0]
    """
    size = len(curve.steps)
    if size <= most:
        return curve
    steps, values = np.asarray(curve.steps, np.float64), np.asarray(curve.values, np.float64)
    if curve.kind != "train":
        chosen = np.linspace(0, size - 1, most).round().astype(np.int64)
        return Curve(steps[chosen].tolist(), values[chosen].tolist(), curve.kind)
    begins = np.arange(most) * size // most
    counts = np.diff(begins, append=size)
    steps, values = (np.add.reduceat(each, begins) / counts for each in (steps, values))
    return Curve(steps.tolist(), values.tolist(), curve.kind)


def curves_svg(
    title: str,
    curves: Sequence[Curve],
    *,
    baseline: tuple[float, str] | None = None,
    form: Callable[[float], str] = "{:g}".format,
    from_zero: bool = False,
    last_step: int | None = None,
    size: tuple[float, float] = (5.6, 2.9),
) -> str:
    """Draw curves over steps.

    Args:
        title: what the figure shows; it becomes the figure's name for screen readers.
        curves: the lines; one without points is left out, one of very many is thinned.
        baseline: a level to compare with, and what it is.
        form: writes a value on the axis and at the end of a line.
        from_zero: whether the axis begins at zero.
        last_step: the step at which the axis ends; the last measured one by default.
        size: width and height in inches.

    Returns:
        An `<svg>` element without identifiers of its own, its colours those of `PAGE_COLOURS`.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size)
        axes = figure.add_axes((0.1, 0.115, 0.78, 0.85))
        ends = [end for curve in curves if (end := _draw(axes, thinned(curve), form))]
        if baseline is not None:
            _draw_baseline(axes, *baseline)
        _finish(axes, form, from_zero, last_step)
        _label_ends(axes, ends)
        return page_svg(figure, title)


def _draw(axes: Axes, curve: Curve, form: Callable[[float], str]) -> tuple[float, str, str] | None:
    """Draw one curve; returns where it ends, what to write there, and in which colour."""
    if not curve.steps:
        return None
    if curve.kind == "heldout":
        axes.plot(curve.steps, curve.values, color=HELD_OUT, linewidth=1.8, marker="o", markersize=4.2, zorder=4)
        return curve.values[-1], form(curve.values[-1]), HELD_OUT
    course = list(curve.values)
    if curve.kind == "train":
        axes.plot(curve.steps, course, color=TRAIN, linewidth=0.9, alpha=0.35, zorder=2)
        course = smooth(curve.steps, curve.values)
    axes.plot(curve.steps, course, color=TRAIN, linewidth=1.8, zorder=3)
    return course[-1], form(course[-1]), TRAIN


def _draw_baseline(axes: Axes, level: float, words: str) -> None:
    axes.axhline(level, color=BASELINE, linewidth=1.3, dashes=(4, 3), zorder=1)
    axes.annotate(
        words,
        (0.99, level),
        xycoords=("axes fraction", "data"),
        xytext=(0, 4),
        textcoords="offset points",
        ha="right",
        color=BASELINE,
        fontsize=9.5,
    )


def _finish(axes: Axes, form: Callable[[float], str], from_zero: bool, last_step: int | None) -> None:
    """Ticks, grid and limits."""
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.margins(x=0, y=0.12)
    axes.set_xlim(left=0)
    if last_step:
        axes.set_xlim(right=last_step)
    if from_zero:
        axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, min_n_ticks=3))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: form(value)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def _label_ends(axes: Axes, ends: list[tuple[float, str, str]]) -> None:
    """Write the last value beside each line, moved apart where two would cover each other."""
    low, high = axes.get_ylim()
    apart = 0.085
    heights = sorted(((value - low) / (high - low), text, colour) for value, text, colour in ends)
    last = -1.0
    for height, text, colour in heights:
        last = max(height, last + apart)
        axes.annotate(
            text,
            (1, last),
            xycoords="axes fraction",
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            fontweight="bold",
        )


def page_svg(figure: Figure, title: str) -> str:
    """Turn a figure into an element for a page: no prolog, no metadata, no identifiers, colours by name."""
    stream = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": title}):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<style[^>]*>.*?</style>", "", text, flags=re.DOTALL)
    referenced = set(re.findall(r"#([\w-]+)[\")]", text))
    text = re.sub(r' id="([\w.-]+)"', lambda match: match[0] if match[1] in referenced else "", text)
    for colour, name in PAGE_COLOURS.items():
        text = text.replace(colour, name)
    attributes = f'<svg role="img" aria-label="{html.escape(title)}"'
    text = re.sub(r'<svg([^>]*?) width="[^"]*"', r"<svg\1", text, count=1)
    text = re.sub(r'<svg([^>]*?) height="[^"]*"', r"<svg\1", text, count=1)
    return text.replace("<svg", attributes, 1).strip()
