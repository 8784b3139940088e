from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from kpt.training.multi_task_report import score_words
from kpt.training.report_heat_map import heat_map_svg


def drawn(values: list[list[float]]) -> str:
    names = ["mood", "<b>"]
    form = lambda value: score_words("accuracy", value)  # noqa: E731
    return heat_map_svg("Scores", values, ["after mood", "after b"][: len(values)], names, forms=[form, form])


def test_every_cell_has_its_value_and_its_colour() -> None:
    svg = drawn([[0.9, 0.5], [0.6, 0.8]])
    root = ElementTree.fromstring(svg)
    words = [each.text.strip() for each in root.iter() if each.tag.endswith("text") and each.text]
    assert words[:2] == ["mood", "<b>"] and words[2:] == ["after mood", "90 %", "50 %", "after b", "60 %", "80 %"]
    assert svg.count("var(--train)") == 4 and svg.count("var(--held-out)") == 2
    # of each column the lower value is faint and the higher one strong
    assert svg.count("opacity: 0.08") == 2 and svg.count("opacity: 0.6") == 2
    assert 'aria-label="Scores"' in svg and "#0" not in svg


def test_after_one_stage_all_is_faint() -> None:
    assert drawn([[0.9, 0.5]]).count("opacity: 0.08") == 2
