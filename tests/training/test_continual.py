from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from kpt import InputError
from kpt.evaluation.forgetting import average_forgetting
from kpt.tasks import Classifier
from kpt.training.continual import ContinualSettings, finetune_continual
from kpt.training.finetune_settings import FinetuneSettings
from kpt.training.finetune_sources import Source
from kpt.training.finetuning import load_task_model
from kpt.training.run_folder import RunFolder
from tests.numbers import array
from tests.tasks.small_task import small_encoder, small_tokenizer
from tests.training.small_tasks import small_tasks

TOKENIZER = small_tokenizer()
SOURCE = Source(lambda _: small_encoder(TOKENIZER), TOKENIZER, {"from": "scratch"})


def settings(**options: Any) -> FinetuneSettings:
    return FinetuneSettings(**{"epochs": 1, "batch_size": 8, "learning_rate": 1e-2, "length": 16, **options})


@pytest.mark.parametrize("method", ["ewc", "replay"])
def test_each_stage_is_scored_on_every_task(method: str, tmp_path: Path) -> None:
    continual = ContinualSettings(method=method, fisher_texts=4, replay_texts=6, ewc_strength=10.0)
    tasks = small_tasks(tmp_path)[:2]
    results = finetune_continual(SOURCE, tasks, tmp_path / "out", settings(), continual)
    matrix = np.array(results["matrix"])
    assert matrix.shape == (2, 2) and results["method"] == method
    assert results["average_forgetting"] == pytest.approx(average_forgetting(matrix), abs=1e-6)
    assert results["forgetting"] == {"mood": pytest.approx(matrix[0, 0] - matrix[1, 0], abs=1e-6)}
    stages = json.loads((tmp_path / "out" / "stages.json").read_text())
    # 20 texts in batches of 8; with replay 6 of them are new
    steps = [3, 7] if method == "replay" else [3, 6]
    assert [(stage["task"], stage["step"]) for stage in stages] == [("mood", steps[0]), ("names", steps[1])]
    assert stages[1]["tasks"]["names"]["f1"] == matrix[1, 1] == results["tasks"]["names"]["f1"]
    lines = [json.loads(line) for line in (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["step"] == steps[1]
    assert any("penalty" in line for line in lines) == (method == "ewc")
    assert bool(lines[-1]["mood_loss"]) == (method == "replay")  # its texts are in the second stage's batches
    assert RunFolder(tmp_path / "out").steps == [steps[1]]
    model = load_task_model(tmp_path / "out", "mood")
    assert isinstance(model, Classifier) and model.head.trainable
    assert "What is remembered" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_what_a_task_has_for_itself_rests_in_the_stages_of_others(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(TOKENIZER.vocabulary.size, 3)).astype("float32")
    source = SOURCE._replace(document_vectors=vectors)
    kept: list[list[np.ndarray]] = []

    class Kept(keras.callbacks.Callback):
        def keep(self, logs: Any = None) -> None:
            task = self.model.tasks["mood"]
            assert task.document_width > 0
            kept.append([array(weight.value) for weight in (*task.head.weights, *task.document_vectors.weights)])

        on_train_begin = on_train_end = keep

    tasks, plain = small_tasks(tmp_path)[:2], ContinualSettings(method="plain")
    results = finetune_continual(source, tasks, tmp_path / "out", settings(), plain, callbacks=[Kept()])
    fitted, learned, before, after = kept
    assert np.abs(fitted[0]).max() > 0.1  # more than its first random numbers
    assert any(not np.array_equal(one, other) for one, other in zip(fitted, learned, strict=True))
    for others in (before, after):
        for one, other in zip(learned, others, strict=True):
            np.testing.assert_array_equal(one, other)
    assert results["matrix"][0][0] == 1


def test_values_out_of_range_and_what_is_for_mixtures() -> None:
    for name, value in (("ewc_strength", 0), ("fisher_texts", 0), ("replay_share", 1.0), ("replay_texts", 0)):
        with pytest.raises(InputError, match=f"{name} is {value}; give"):
            ContinualSettings(**{name: value})
    with pytest.raises(InputError, match="method is 'ewcc'"):
        ContinualSettings(method="ewcc")


def test_settings_of_other_runs_are_refused(tmp_path: Path) -> None:
    mood, names, _ = small_tasks(tmp_path)
    with pytest.raises(InputError, match="the task 'mood' has a proportion"):
        finetune_continual(SOURCE, [replace(mood, proportion=1.0), names], tmp_path / "out", settings())
    with pytest.raises(InputError, match="patience is for runs that keep their best epoch"):
        finetune_continual(SOURCE, [mood, names], tmp_path / "out", settings(patience=2))
    assert not (tmp_path / "out").exists()
