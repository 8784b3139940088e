from __future__ import annotations

import json
from pathlib import Path

from kpt.training.continual_report import write_continual_report
from tests.training.test_report import Page


def test_the_page_shows_what_is_remembered(tmp_path: Path) -> None:
    lines = [
        {"step": step, "split": "train", "seconds": step, "loss": 2 / step, "learning_rate": 1e-3}
        | (
            {"mood_loss": 1 / step, "stars_loss": 0.0}
            if step < 4
            else {"mood_loss": 0.0, "stars_loss": 2.0, "penalty": 0.1}
        )
        for step in range(1, 7)
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    scores = [{"mood": 0.9, "stars": 0.1}, {"mood": 0.6, "stars": 0.7}]
    stages = [
        {"task": task, "step": 3 * number, "seconds": 61, "scores": some, "tasks": {}}
        for number, task, some in zip((1, 2), ("mood", "stars"), scores, strict=True)
    ]
    (tmp_path / "stages.json").write_text(json.dumps(stages))
    tasks = {
        "mood": {"main_score": "macro_f1", "macro_f1": 0.6},
        "stars": {"main_score": "pearson", "pearson": 0.7},
    }
    results = {"average_forgetting": 0.3, "average_score": 0.65, "forgetting": {"mood": 0.3}, "tasks": tasks}
    (tmp_path / "results.json").write_text(json.dumps({**results, "matrix": [[0.9, 0.1], [0.6, 0.7]]}))
    (tmp_path / "config.json").write_text(json.dumps({"title": "Tasks, with replay", "backend": "jax"}))
    page = Page(write_continual_report(tmp_path).read_text(encoding="utf-8"))
    text = " ".join(page.texts)
    assert not page.fetched
    for words in (
        f"Tasks, with replay: {tmp_path.name}",
        "2 of 2 stages in 2:02 on Keras with jax",
        "Average forgetting",
        "0.300",
        "at the end; 0.300 below its best before the last stage",
        "after stars",
        "90 %",
        "0.700",
        "Penalty",
    ):
        assert words in text, words
    assert page.counts["svg"] == 6  # loss, both tasks', penalty, learning rate, and the heat map
