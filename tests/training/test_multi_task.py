from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import pytest

from kpt import InputError
from kpt.tasks import Classifier, MultiTask, Tagger
from kpt.training.finetune_settings import FinetuneSettings
from kpt.training.finetune_sources import trained_source
from kpt.training.finetuning import load_task_model
from kpt.training.multi_task import finetune_multi_task
from kpt.training.run_folder import RunFolder
from tests.tasks.small_task import LABELS, TEXTS
from tests.training.small_finetuning import small_run
from tests.training.small_tasks import small_tasks


def settings(**options: Any) -> FinetuneSettings:
    return FinetuneSettings(**{"epochs": 6, "batch_size": 5, "learning_rate": 1e-2, "length": 16, **options})


def test_from_a_run_to_one_of_several_tasks(tmp_path: Path) -> None:
    run = small_run(tmp_path / "bert")
    out = tmp_path / "tuned"
    results = finetune_multi_task(trained_source(run.path), small_tasks(tmp_path)[:2], out, settings())
    mood, names = results["tasks"]["mood"], results["tasks"]["names"]
    assert mood["macro_f1"] == 1 and names["f1"] > 0.9
    assert (mood["main_score"], names["main_score"], mood["texts"], mood["validation_texts"]) == (
        "macro_f1",
        "f1",
        20,
        10,
    )
    epochs = json.loads((out / "epochs.json").read_text())
    assert [epoch["step"] for epoch in epochs] == [0, 8, 16, 24, 32, 40, 48]  # the first with a head that was fitted
    best = epochs[results["best_epoch"]]
    assert best["score"] == results["score"] == pytest.approx((mood["macro_f1"] + names["f1"]) / 2, abs=1e-6)
    assert best["score"] == max(epoch["score"] for epoch in epochs)
    assert RunFolder(out).steps == [8 * results["best_epoch"]]
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    held_out = [line for line in lines if line["split"] == "heldout"]
    assert [line["names_f1"] for line in held_out] == pytest.approx(
        [e["tasks"]["names"]["f1"] for e in epochs[1:]], abs=1e-6
    )
    assert {"mood_loss", "mood_accuracy", "names_loss", "names_accuracy"} <= set(lines[0])
    assert all(
        0 <= line["mood_accuracy"] <= 1 and 0 <= line["names_accuracy"] <= 1
        for line in lines
        if line["split"] == "train"
    )
    assert json.loads((out / "config.json").read_text())["mixture"]["proportions"] == {"mood": 0.5, "names": 0.5}

    model = load_task_model(out, "mood")
    assert isinstance(model, Classifier) and model.classify(TEXTS) == LABELS
    assert isinstance(load_task_model(out, "names"), Tagger)
    assert isinstance(RunFolder(out).load(), MultiTask)  # with its optimizer
    assert trained_source(out).backbone(settings()).width == 16  # which is tuned further
    with pytest.raises(InputError, match=r"has the tasks mood, names, and it has no task 'moods'; name one of them"):
        load_task_model(out, "moods")
    with pytest.raises(InputError, match="and no task is named"):
        load_task_model(out)


def test_heads_are_fitted_before_all_else(tmp_path: Path) -> None:
    """The head of texts tells all before a step is made; that of names cannot be fitted."""
    source = trained_source(small_run(tmp_path / "bert").path)
    scores = []
    for probe in (True, False):
        some = settings(probe=probe, epochs=1, learning_rate=1e-9)
        results = finetune_multi_task(source, small_tasks(tmp_path)[:2], tmp_path / f"out{probe}", some)
        scores.append(results["tasks"]["mood"]["macro_f1"])
    assert scores[0] == 1 and scores[1] < 1
    assert results["best_epoch"] == results["epochs"] == 1


def test_nothing_is_left_of_a_run_that_ends_while_heads_are_fitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("kpt.training.multi_task.fit_head", stop)
    source = trained_source(small_run(tmp_path / "bert").path)
    with pytest.raises(KeyboardInterrupt):
        finetune_multi_task(source, small_tasks(tmp_path)[:2], tmp_path / "out", settings())
    assert not (tmp_path / "out").exists()


def test_a_run_that_is_interrupted_in_its_first_epoch_keeps_the_fitted_heads(tmp_path: Path) -> None:
    source = trained_source(small_run(tmp_path / "bert").path)

    def stop(batch: int, logs: Any) -> None:
        raise KeyboardInterrupt

    callback = keras.callbacks.LambdaCallback(on_train_batch_end=stop)
    with pytest.raises(KeyboardInterrupt):
        finetune_multi_task(source, small_tasks(tmp_path)[:2], tmp_path / "out", settings(), callbacks=[callback])
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert (results["best_epoch"], results["epochs"]) == (0, 0) and (tmp_path / "out" / "report.html").is_file()
    assert "texts_per_second" not in results


def test_an_interrupted_run_keeps_its_best_epoch(tmp_path: Path) -> None:
    source = trained_source(small_run(tmp_path / "bert").path)

    def stop(epoch: int, logs: Any) -> None:
        if epoch == 0:
            raise KeyboardInterrupt

    callback = keras.callbacks.LambdaCallback(on_epoch_end=stop)
    tasks = small_tasks(tmp_path)[::2]
    with pytest.raises(KeyboardInterrupt):
        finetune_multi_task(source, tasks, tmp_path / "out", settings(), callbacks=[callback])
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["epochs"] == 1 and (tmp_path / "out" / "report.html").is_file()


def test_proportions_are_given_to_all_tasks_or_to_none(tmp_path: Path) -> None:
    source = trained_source(small_run(tmp_path / "bert").path)
    mood, names, _ = small_tasks(tmp_path)
    with pytest.raises(InputError, match="only mood of the tasks have a proportion"):
        finetune_multi_task(source, [replace(mood, proportion=2.0), names], tmp_path / "out", settings())
    assert not (tmp_path / "out").exists()
