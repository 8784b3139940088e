from __future__ import annotations

from typing import Any

from kpt.training.finetune_comparison import comparison_views, curve_svg
from kpt.training.finetune_report import SCORES

CURVE: list[dict[str, Any]] = [
    {
        "labels": labels,
        "side": side,
        "seeds": 3,
        "mean": {"loss": 0.5, "macro_f1": score, "accuracy": score},
        "deviation": {"loss": 0.1, "macro_f1": 0.0123, "accuracy": 0.02},
    }
    for labels, side, score in (
        (50, "pre-trained", 0.6),
        (50, "scratch", 0.5),
        (200, "pre-trained", 0.8),
        (200, "scratch", 0.55),
    )
]


def test_a_table_of_the_curve_and_its_figure() -> None:
    (view,) = comparison_views({"curve": CURVE}, SCORES)
    assert view["names"] == ["Labels", "Model", "Macro-F1", "Accuracy"]
    assert view["rows"][2] == ["200", "pre-trained", "80 % ± 1.2", "80 % ± 2.0"]
    svg = curve_svg(CURVE, "accuracy", "Accuracy")
    assert svg.startswith("<svg") and svg.count(">pre-trained<") == 1 and ">200<" in svg


def test_a_table_of_the_repeats() -> None:
    runs = [{"seed": seed, "pearson": score} for seed, score in ((0, 0.5), (1, 0.75))]
    repeats = {"runs": runs, "mean": {"pearson": 0.625}, "deviation": {"pearson": 0.1768}}
    (view,) = comparison_views({"repeats": repeats, "seed": 1}, SCORES)
    assert view["rows"] == [["seed 0", "0.500"], ["seed 1", "0.750"], ["mean ± deviation", "0.625 ± 0.177"]]
    assert "that of seed 1" in view["words"] and comparison_views({}, SCORES) == []
