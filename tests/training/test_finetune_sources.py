from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kpt import InputError
from kpt.training.document_vectors import FILE, leave_document_vectors
from kpt.training.finetune_settings import FinetuneSettings
from kpt.training.finetune_sources import new_source, trained_source
from kpt.training.finetuning import finetune, load_task_model
from tests.numbers import array
from tests.tasks.small_task import LABELS, TEXTS, small_tokenizer
from tests.training.small_finetuning import small_files, small_run
from tests.training.small_store import small_store


def test_a_model_that_was_not_trained_has_no_vectors(tmp_path: Path) -> None:
    small_tokenizer().save(tmp_path / "tokenizer")
    source = new_source("tiny", tmp_path / "tokenizer")
    assert source.note == {"from": "scratch", "size": "tiny"} and source.document_vectors is None
    first, second = (source.backbone(FinetuneSettings()) for _ in range(2))
    assert first is not second and first.width == 128


def test_the_vectors_of_a_run_are_read_by_what_is_tuned(tmp_path: Path) -> None:
    from kpt.data import prepare

    run = small_run(tmp_path / "bert")
    assert trained_source(run.path).document_vectors is None
    store = prepare(TEXTS, small_tokenizer(), tmp_path / "store")
    leave_document_vectors(run.path, store, 3)
    train, validation = small_files(tmp_path)
    options = {"epochs": 1, "batch_size": 8, "learning_rate": 1e-9, "length": 16}
    results = finetune(trained_source(run.path), train, validation, tmp_path / "tuned", FinetuneSettings(**options))
    assert results["accuracy"] == 1  # by the head alone, which was fitted first
    model = load_task_model(tmp_path / "tuned")
    table = trained_source(run.path).document_vectors
    assert model.document_width == 3
    change = array(model.document_vectors.kernel).astype("float64") - table
    moved = np.abs(change).max(axis=1) > 1e-6  # of the tokens that the texts have, in the one direction that tells
    assert 0 < moved.sum() < len(moved) / 2 and np.linalg.matrix_rank(change[moved], tol=1e-4) == 1
    assert model.classify(TEXTS) == LABELS
    config = json.loads((tmp_path / "tuned" / "config.json").read_text())
    assert config["training"]["document_vectors"] and config["training"]["probe"]
    for name, more in (("without", {"document_vectors": False}), ("first", {"pooling": "first"})):
        settings = FinetuneSettings(**options, probe=False, **more)
        finetune(trained_source(run.path), train, validation, tmp_path / name, settings)
        assert load_task_model(tmp_path / name).document_width == 0


def test_vectors_of_another_vocabulary_are_refused(tmp_path: Path) -> None:
    run, store = small_run(tmp_path / "bert"), small_store(tmp_path / "store")
    leave_document_vectors(tmp_path, store, 3)
    (tmp_path / FILE).rename(run.path / FILE)
    with pytest.raises(InputError, match="no vectors of the model's vocabulary; copy the run again, or remove"):
        trained_source(run.path)
