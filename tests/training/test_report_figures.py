from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest

from kpt.training.report_figures import MOST_POINTS, PAGE_COLOURS, Curve, curves_svg, smooth, thinned

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_a_figure_is_a_part_of_a_page() -> None:
    svg = curves_svg(
        "Loss",
        [Curve([1, 2, 3], [3.0, 2.0, 1.5]), Curve([1, 3], [3.25, 1.75], "heldout"), Curve()],
        baseline=(2.5, "without a model"),
    )
    root = ElementTree.fromstring(svg)
    assert root.get("aria-label") == "Loss"
    assert root.get("width") is None
    assert root.get("viewBox")
    assert {"without a model", "1.75", "1.5"} <= set(texts(svg))
    for colour in PAGE_COLOURS:
        assert colour not in svg
    assert "var(--train)" in svg and "var(--held-out)" in svg and "var(--baseline)" in svg
    assert "metadata" not in svg and "<style" not in svg


def test_two_figures_do_not_share_identifiers() -> None:
    def identifiers(svg: str) -> set[str]:
        return {element.get("id", "") for element in ElementTree.fromstring(svg).iter()} - {""}

    curve = Curve([1, 2, 3], [3.0, 2.0, 1.5], "heldout")
    first, second = identifiers(curves_svg("A", [curve])), identifiers(curves_svg("B", [curve]))
    assert first and second and not first & second


def test_the_same_figure_is_the_same_text() -> None:
    curve = Curve([1, 2, 3], [3.0, 2.0, 1.5])
    assert curves_svg("A", [curve]) == curves_svg("A", [curve])


def test_labels_at_the_end_of_equal_lines_stand_apart() -> None:
    svg = curves_svg(
        "A", [Curve([1, 2], [1.0, 3.0], "exact"), Curve([1, 2], [2.0, 3.0], "heldout")], form="v{:g}".format
    )
    heights = [float(t.get("y", "nan")) for t in ElementTree.fromstring(svg).iter(f"{SVG}text") if t.text == "v3"]
    ends = sorted(heights)[:3]
    assert len(heights) >= 2
    assert max(b - a for a, b in pairwise(ends)) > 10


def test_a_title_with_markup_is_text() -> None:
    assert ElementTree.fromstring(curves_svg('a "<b>"', [Curve([1, 2], [1, 2])])).get("aria-label") == 'a "<b>"'


def test_smooth_keeps_lines_and_calms_noise() -> None:
    steps = np.arange(1, 101)
    line = 5.0 - 0.01 * steps
    assert smooth(steps, line) == pytest.approx(line.tolist())
    noise = np.random.default_rng(0).normal(0, 0.1, 100)
    assert np.std(np.asarray(smooth(steps, line + noise)) - line) < 0.05


def test_smooth_of_few_points_is_the_points() -> None:
    assert smooth([], []) == []
    assert smooth([1, 5], [2.0, 3.0]) == [2.0, 3.0]


def test_a_curve_of_a_million_steps_is_thinned_to_what_a_figure_can_show() -> None:
    steps = np.arange(20, 1_000_001, 20)
    noise = np.random.default_rng(0).normal(0, 0.5, len(steps))
    curve = thinned(Curve(steps.tolist(), (9.0 - steps / 250_000 + noise).tolist()))
    assert len(curve.steps) == len(curve.values) == MOST_POINTS
    assert np.abs(np.asarray(curve.values) - (9.0 - np.asarray(curve.steps) / 250_000)).max() < 0.3
    svg = curves_svg("Loss", [Curve(steps.tolist(), noise.tolist())], last_step=1_000_000)
    assert len(svg) < 100_000


def test_a_thinned_line_without_noise_keeps_its_ends() -> None:
    steps = list(range(1, 10_001))
    curve = thinned(Curve(steps, [float(step) for step in steps], "exact"))
    assert (curve.steps[0], curve.steps[-1], len(curve.steps)) == (1, 10_000, MOST_POINTS)
    assert curve.values == curve.steps
    few = Curve([1, 2], [1.0, 2.0])
    assert thinned(few) is few
