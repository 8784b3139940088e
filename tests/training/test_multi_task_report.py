from __future__ import annotations

import json
from pathlib import Path

from kpt.training.multi_task_report import score_words, write_multi_task_report
from tests.training.test_report import Page


def test_the_page_shows_each_task(tmp_path: Path) -> None:
    train = [
        {"step": step, "split": "train", "seconds": step, "loss": 2 / step, "mood_loss": 1 / step, "stars_loss": 0.3}
        for step in range(1, 5)
    ]
    held_out = [
        {
            "step": step,
            "split": "heldout",
            "seconds": step,
            "mood_macro_f1": 0.5,
            "mood_loss": 0.7,
            "stars_pearson": 0.4,
        }
        for step in (2, 4)
    ]
    lines = "".join(json.dumps(record) + "\n" for record in [*train, *held_out])
    (tmp_path / "metrics.jsonl").write_text(lines)
    scores = {"mood": {"macro_f1": 0.5, "loss": 0.7}, "stars": {"pearson": 0.4, "loss": 0.2}}
    epochs = [{"epoch": number, "step": 2 * number, "score": 0.45, "tasks": scores} for number in (0, 1, 2)]
    (tmp_path / "epochs.json").write_text(json.dumps(epochs))
    tasks = {
        "mood": {"main_score": "macro_f1", "validation_texts": 12, **scores["mood"]},
        "stars": {"main_score": "pearson", "validation_texts": 8, **scores["stars"]},
    }
    results = {"best_epoch": 2, "score": 0.45, "tasks": tasks, "texts_per_second": 10.0}
    (tmp_path / "results.json").write_text(json.dumps(results))
    (tmp_path / "config.json").write_text(json.dumps({"title": "Several tasks", "backend": "torch"}))
    error = {"place": "f.tsv, line 2", "text": "<i>bad</i>", "pair": None, "label": "a", "guess": "b", "loss": 2.3}
    (tmp_path / "errors.json").write_text(json.dumps({"mood": [error] * 9, "stars": []}))
    page = Page(write_multi_task_report(tmp_path).read_text(encoding="utf-8"))
    text = " ".join(page.texts)
    assert not page.fetched
    for words in (
        f"Several tasks: {tmp_path.name}",
        "2 tasks, 2 epochs in 0:04 on Keras with torch",
        "mood: Macro-F1",
        "50 %",
        "0.400",
        "of 12 held-out texts, epoch 2",
        "mood; loss 2.30; f.tsv, line 2",
        "<i>bad</i>",
    ):
        assert words in text, words
    assert text.count("<i>bad</i>") == 8
    assert page.counts["svg"] == 5  # loss of all; of mood loss and score; of stars loss and score


def test_scores_are_shares_or_numbers() -> None:
    assert score_words("f1", 0.123) == "12.3 %" and score_words("spearman", 0.123) == "0.123"
