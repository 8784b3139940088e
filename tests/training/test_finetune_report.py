from __future__ import annotations

import json
from pathlib import Path

import pytest

from kpt import InputError
from kpt.training.finetune_report import confusion_view, error_view, write_finetune_report
from tests.training.test_report import Page

SCORES = {"macro_f1": 0.5, "micro_f1": 0.6, "accuracy": 0.6, "matthews": 0.2, "loss": 0.7}


def write_run(folder: Path) -> None:
    records = [
        {"step": step, "split": "train", "seconds": step, "loss": 2.0 / step, "accuracy": 0.5, "learning_rate": 1e-3}
        for step in range(1, 9)
    ]
    records += [{"step": step, "split": "heldout", "seconds": step, **SCORES} for step in (4, 8)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    epochs = [{"epoch": number, "step": 4 * number, **SCORES, "confusion": [[3, 1], [0, 2]]} for number in (1, 2)]
    (folder / "epochs.json").write_text(json.dumps(epochs))
    config = {"title": "Classification", "backend": "jax", "data": {"labels": ["neg", "<pos>"]}}
    (folder / "config.json").write_text(json.dumps(config))
    results = {"validation_texts": 6, "best_epoch": 2, "texts_per_second": 1234.5, **SCORES}
    (folder / "results.json").write_text(json.dumps(results))
    error = {"place": "f.tsv, line 2", "text": "<b>bad</b>", "pair": None, "label": "neg", "guess": "<pos>"}
    (folder / "errors.json").write_text(json.dumps([{**error, "probability": 0.9, "loss": 2.3}]))


def test_the_page_shows_scores_curves_matrix_and_errors(tmp_path: Path) -> None:
    write_run(tmp_path)
    page = Page(write_finetune_report(tmp_path).read_text(encoding="utf-8"))
    text = " ".join(page.texts)
    assert not page.fetched
    assert f"Classification: {tmp_path.name}" in text and "2 epochs in 0:08 on Keras with jax" in text
    assert page.counts["svg"] == 5  # loss, macro-F1, accuracy, Matthews, learning rate
    for words in (
        "What is taken for what",
        "<pos> at 90 %, not neg",
        "<b>bad</b>",
        "loss 2.30; f.tsv, line 2",
        "1,234",
    ):
        assert words in text, words
    assert "50 %" in text and "0.200" in text


def test_cells_have_their_share_of_the_row() -> None:
    view = confusion_view([[3, 1], [0, 2]], ["a", "b"])
    assert view is not None
    assert view["rows"][0] == {
        "name": "a",
        "cells": [{"count": "3", "share": 0.75, "right": True}, {"count": "1", "share": 0.25, "right": False}],
        "f1": "85.7 %",
    }
    assert confusion_view([[0] * 31] * 31, ["x"] * 31) is None


def test_errors_in_words() -> None:
    error = {"text": "x" * 1000, "pair": "y", "label": ["a", "b"], "guess": [], "loss": 1.0, "place": "f, line 1"}
    view = error_view(error)
    assert view["verdict"] == "nothing, not a + b" and len(view["text"]) == 604 and view["pair"] == "y"
    assert error_view({**error, "label": 2.0, "guess": 1.25})["verdict"] == "1.25, not 2"


def test_a_folder_without_metrics_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no"):
        write_finetune_report(tmp_path)
