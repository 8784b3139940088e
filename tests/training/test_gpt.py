from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kpt import InputError
from kpt.data import Batches, prepare
from kpt.objectives import CausalLM
from kpt.text import load_tokenizer
from kpt.training.gpt import GptPretraining, GptSettings, pretrain_gpt
from kpt.training.run_folder import RunFolder
from tests.training.small_store import small_store

SMALL = {"size": "tiny", "batch_size": 4, "length": 16, "held_out": 0.2, "evaluation_batches": 2, "seed": 3}


def test_a_run_from_a_store_to_its_report(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store")
    results = pretrain_gpt(store.folder, tmp_path / "run", GptSettings(steps=3, evaluations=2, **SMALL))
    assert results["steps"] == 3
    assert results["perplexity_heldout"] == pytest.approx(np.exp(results["loss_heldout"]), abs=0.01)
    assert 0 < results["accuracy_baseline"] < 0.5 and results["bits_per_byte_heldout"] > 0
    samples = json.loads((tmp_path / "run" / "samples.json").read_text(encoding="utf-8"))
    assert len(samples) == 4 and all(sample["prompt"] for sample in samples)
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "What the model writes" in page and "Next token: loss, nats" in page
    assert "What the model guesses" not in page
    model = RunFolder(tmp_path / "run").load()
    assert model.backbone.maximum_length == 1024


def test_the_unigram_baseline_is_that_of_the_labels(tmp_path: Path) -> None:
    train, held_out = small_store(tmp_path / "store").split(0.2, 0)
    task = GptPretraining(GptSettings(steps=5, length=16))
    batches = Batches(task.examples(held_out), [CausalLM()], batch_size=4, steps=2, repeat=True)
    counts = np.bincount(np.concatenate([s for d in range(train.documents) for s in train.document(d)]), minlength=90)
    counts[train.vocabulary.sep_id] += train.documents  # what stands after each document in the examples
    frequency = (counts + 1) / (counts.sum() + 90)
    labels = np.concatenate([batches.batch(step)["causal_labels"].ravel() for step in range(2)])
    baselines = task.baselines(train, batches)
    assert baselines["causal_lm_loss"] == pytest.approx(-np.log(frequency[labels]).mean(), rel=1e-6)
    assert baselines["causal_lm_accuracy"] == pytest.approx((labels == counts.argmax()).mean())


def test_bits_per_byte_count_the_ends_of_documents(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store")
    train, held_out = store.split(0.2, 0)
    for separate, ends in ((False, store.documents), (True, 0)):
        task = GptPretraining(GptSettings(steps=5, length=16, separate=separate))
        batches = Batches(task.examples(held_out), [CausalLM()], batch_size=4, steps=2, repeat=True)
        baselines = task.baselines(train, batches)
        tokens, size = store.tokens + ends, store.summary["bytes"]
        record = {"causal_lm_loss": 2.0, "causal_lm_accuracy": 0.5}
        bits = task.results([], [record], baselines)["bits_per_byte_heldout"]
        assert bits == pytest.approx(2.0 * tokens / size / np.log(2), rel=1e-3)


def test_a_loss_that_is_no_number_has_no_perplexity() -> None:
    task = GptPretraining(GptSettings(steps=5))
    baselines = {"causal_lm_loss": 5.0, "causal_lm_accuracy": 0.1, "bytes_per_token": 4.0}
    results = task.results([], [{"causal_lm_loss": None, "causal_lm_accuracy": 0.0}], baselines)
    assert results["perplexity_heldout"] is None and results["bits_per_byte_heldout"] is None
    assert results["perplexity_baseline"] == 148.41


def test_settings() -> None:
    assert GptSettings(steps=5, length=3000).model_config["maximum_length"] == 3000
    assert GptSettings(steps=5, architecture="published").peak == 6e-4
    with pytest.raises(InputError, match="There is no size 'base'"):
        GptSettings(steps=5, size="base")


def test_one_document_cannot_be_divided(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(small_store(tmp_path / "store").tokenizer_folder)
    store = prepare(["The cat sat on the mat. " * 9], tokenizer, tmp_path / "one")
    with pytest.raises(InputError, match="one has one document; there is nothing to hold out"):
        pretrain_gpt(store.folder, tmp_path / "run", GptSettings(steps=3, **SMALL))
