"""What the report of a fine-tuning shows of several runs: repeats, and the curve over the number of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from kpt.training.report import percent
from kpt.training.report_figures import GRID, HELD_OUT, QUIET, STYLE, page_svg

__all__ = ["comparison_views", "curve_svg"]


def comparison_views(results: Mapping[str, Any], scores: Mapping[str, tuple[str, bool]]) -> list[dict[str, Any]]:
    """Return what the template shows of `repeats` and `curve` of the results; nothing where there is neither.

    Args:
        results: of a run.
        scores: titles of scores by name, and whether they are shares.
    """
    views = []
    if repeats := results.get("repeats"):
        names = [name for name in scores if name in repeats["mean"]]
        rows = [
            [f"seed {run['seed']}", *(_form(run[name], scores[name][1]) for name in names)] for run in repeats["runs"]
        ]
        rows.append(["mean ± deviation", *(_spread(repeats, name, scores[name][1]) for name in names)])
        words = f"The same fine-tuning with {len(repeats['runs'])} seeds; this page is that of seed {results['seed']}."
        views.append(_view("Repeats", words, ["", *(scores[name][0] for name in names)], rows))
    if curve := results.get("curve"):
        names = [name for name in scores if name in curve[0]["mean"]]
        rows = [
            [f"{row['labels']:,}", row["side"], *(_spread(row, name, scores[name][1]) for name in names)]
            for row in curve
        ]
        words = (
            f"Held-out texts, {curve[0]['seeds']} seeds: mean and standard deviation. This page is that of the most."
        )
        title, share = scores[names[0]]
        svg = Markup(curve_svg(curve, names[0], title, share))
        views.append(_view("Number of labels", words, ["Labels", "Model", *(scores[n][0] for n in names)], rows, svg))
    return views


def curve_svg(curve: Sequence[Mapping[str, Any]], score: str, title: str, share: bool = True) -> str:
    """Draw a score over the number of labels, a line a side, a bar of one standard deviation at each point.

    Args:
        curve: as `kpt.training.learning_curve` returns it.
        score: name of the score.
        title: its title.
        share: whether it is a share.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.6, 2.9))
        axes = figure.add_axes((0.12, 0.17, 0.68, 0.79))
        counts = sorted({row["labels"] for row in curve})
        for side, colour in zip(dict.fromkeys(row["side"] for row in curve), (HELD_OUT, QUIET), strict=False):
            rows = [row for row in curve if row["side"] == side]
            values = [row["mean"][score] for row in rows]
            spread = [row.get("deviation", {}).get(score, 0.0) for row in rows]
            axes.errorbar(
                [row["labels"] for row in rows],
                values,
                spread,
                color=colour,
                linewidth=1.8,
                capsize=3,
                marker="o",
                ms=4.2,
            )
            axes.annotate(
                side, (rows[-1]["labels"], values[-1]), (9, 0), textcoords="offset points", color=colour, va="center"
            )
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(counts))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5, min_n_ticks=3))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _form(value, share)))
        axes.set_xlabel("labels")
        for side in ("top", "left", "right"):
            axes.spines[side].set_visible(False)
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        return page_svg(figure, f"{title} over the number of labels")


def _view(title: str, words: str, names: Sequence[str], rows: Sequence[Any], svg: str = "") -> dict[str, Any]:
    return {"title": title, "words": words, "names": names, "rows": rows, "svg": svg}


def _form(value: float, share: bool) -> str:
    return percent(value) if share else f"{value:.3f}"


def _spread(summary: Mapping[str, Any], name: str, share: bool) -> str:
    mean = _form(summary["mean"][name], share)
    if "deviation" not in summary:
        return mean
    deviation = summary["deviation"][name]
    return f"{mean} ± {100 * deviation:.1f}" if share else f"{mean} ± {deviation:.3f}"
