from __future__ import annotations

import json
from pathlib import Path

import keras
import pytest

from kpt import InputError
from kpt.data import TokenStore
from kpt.text import WordPieceTokenizer
from kpt.training.bert import BertPretraining, BertSettings, pretrain_bert
from kpt.training.metrics_log import learning_rates, read_metrics
from kpt.training.pretraining import build_model, open_run, summarize
from kpt.training.run_folder import RunFolder
from tests.training.small_store import small_store

SMALL = {"size": "tiny", "batch_size": 4, "length": 24, "held_out": 0.2, "evaluation_batches": 2, "seed": 3}


class Interrupt(keras.callbacks.Callback):
    """Stops a run after a number of steps, as Ctrl-C does."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left = after

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    return small_store(tmp_path_factory.mktemp("data") / "store")


@pytest.fixture(scope="module")
def run(store: TokenStore, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """A complete run of five steps with evaluations after 2, 4 and 5, and its results."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    return out, pretrain_bert(store.folder, out, BertSettings(steps=5, evaluations=3, **SMALL))


def test_a_run_leaves_everything_to_go_on_from(run: tuple[Path, dict]) -> None:
    out, results = run
    lines = read_metrics(out / "metrics.jsonl")
    assert [line["step"] for line in lines if line["split"] == "train"] == [1, 2, 3, 4, 5]
    assert [line["step"] for line in lines if line["split"] == "heldout"] == [2, 4, 5]
    folder = RunFolder(out)
    assert folder.steps == [4, 5]
    assert folder.config["training"]["steps"] == 5
    assert folder.config["backend"] == keras.backend.backend()
    assert folder.tokenizer.vocabulary.size == 90
    assert len(json.loads((out / "samples.json").read_text(encoding="utf-8"))) == 8
    assert "Masked tokens: loss, nats" in (out / "report.html").read_text(encoding="utf-8")
    assert list((out / "tensorboard").glob("events.out.tfevents.*"))
    last = [line for line in lines if line["split"] == "heldout"][-1]
    assert results["mlm_accuracy_heldout"] == last["masked_lm_accuracy"]
    assert results["nsp_accuracy_heldout"] == last["next_sentence_accuracy"]
    assert results["mlm_loss_first"] == lines[0]["masked_lm_loss"]
    assert results["steps"] == 5
    assert results["report"] == str(out / "report.html")
    assert 0 < results["mlm_accuracy_baseline"] < 0.5


def test_an_interrupted_run_goes_on_to_the_same_end(store: TokenStore, run: tuple[Path, dict], tmp_path: Path) -> None:
    settings = BertSettings(steps=5, evaluations=3, **SMALL)
    with pytest.raises(KeyboardInterrupt):
        pretrain_bert(store.folder, tmp_path / "run", settings, callbacks=[Interrupt(after=3)])
    assert RunFolder(tmp_path / "run").step == 2
    assert (tmp_path / "run" / "report.html").is_file()

    results = pretrain_bert(store.folder, tmp_path / "run", settings, resume=True)
    whole, whole_results = run
    lines, whole_lines = read_metrics(tmp_path / "run" / "metrics.jsonl"), read_metrics(whole / "metrics.jsonl")
    train, whole_train = ([line for line in some if line["split"] == "train"] for some in (lines, whole_lines))
    assert [line["step"] for line in train] == [1, 2, 3, 4, 5]
    losses, whole_losses = ([line["masked_lm_loss"] for line in some] for some in (train, whole_train))
    assert losses == pytest.approx(whole_losses, abs=1e-4)
    assert results["mlm_loss_heldout"] == pytest.approx(whole_results["mlm_loss_heldout"], abs=1e-4)


def test_a_complete_run_only_reports_again(store: TokenStore, run: tuple[Path, dict]) -> None:
    out, results = run
    (out / "report.html").unlink()
    again = pretrain_bert(store.folder, out, BertSettings(steps=5, evaluations=3, **SMALL), resume=True)
    assert (out / "report.html").is_file()
    assert {**again, "seconds": 0} == {**results, "seconds": 0}


def test_a_run_goes_on_only_with_its_own_settings(store: TokenStore, run: tuple[Path, dict]) -> None:
    with pytest.raises(InputError, match="has the training setting steps 5, not 6; go on with the settings"):
        pretrain_bert(store.folder, run[0], BertSettings(steps=6, evaluations=3, **SMALL), resume=True)


def test_a_run_is_not_written_over(store: TokenStore, run: tuple[Path, dict]) -> None:
    with pytest.raises(InputError, match="exists already"):
        pretrain_bert(store.folder, run[0], BertSettings(steps=5, **SMALL))
    assert (run[0] / "metrics.jsonl").is_file()


def test_a_run_is_replaced_on_demand(store: TokenStore, tmp_path: Path) -> None:
    tokenizer = WordPieceTokenizer.load(store.tokenizer_folder)
    config = {"model": {}, "training": {}, "data": {}}
    open_run(tmp_path / "run", tokenizer, config, resume=False, overwrite=False)
    (tmp_path / "run" / "metrics.jsonl").touch()
    open_run(tmp_path / "run", tokenizer, config, resume=False, overwrite=True)
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_too_few_documents_to_evaluate_on(store: TokenStore, tmp_path: Path) -> None:
    share = 1 / store.documents
    with pytest.raises(InputError, match=r"% of \d+ documents leaves 1 to evaluate on, .*; raise --held-out, add"):
        pretrain_bert(store.folder, tmp_path / "run", BertSettings(steps=5, **{**SMALL, "held_out": share}))
    assert not (tmp_path / "run").exists()


def test_half_precision_is_trained_with_a_loss_scale(tmp_path: Path, store: TokenStore) -> None:
    settings = BertSettings(steps=20, precision="mixed_float16", learning_rate=0.5, warmup_steps=0, **SMALL)
    model = build_model(BertPretraining(settings), store.vocabulary)
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert learning_rates(model)(0) == pytest.approx(0.5)
    run = open_run(tmp_path / "run", WordPieceTokenizer.load(store.tokenizer_folder), {}, resume=False, overwrite=False)
    run.save(model, 1)
    assert isinstance(run.load().optimizer, keras.optimizers.LossScaleOptimizer)


def test_a_run_goes_on_where_its_store_was_moved(run: tuple[Path, dict], store: TokenStore) -> None:
    config = RunFolder(run[0]).config
    config["data"]["store"] = "elsewhere"
    tokenizer = WordPieceTokenizer.load(store.tokenizer_folder)
    assert open_run(run[0], tokenizer, config, resume=True, overwrite=False).step == 5


def test_a_store_that_is_damaged_or_of_another_tokenizer(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store")
    (store.folder / "tokenizer" / "tokenizer.json").unlink()
    vocabulary = store.folder / "tokenizer" / "vocab.txt"
    vocabulary.write_text(vocabulary.read_text(encoding="utf-8").replace("cat", "dog"), encoding="utf-8")
    with pytest.raises(InputError, match="store"):
        pretrain_bert(store.folder, tmp_path / "run", BertSettings(steps=5, **SMALL))
    assert not (tmp_path / "run").exists()


def test_summarize_a_run_that_was_cut_off() -> None:
    task = BertPretraining(BertSettings(steps=10))
    assert summarize([], task, {}) == {"steps": 0}
    line = {"step": 7, "split": "train", "masked_lm_loss": 3.0}
    assert summarize([line], task, {}) == {"steps": 7, "mlm_loss_first": 3.0, "mlm_loss_last": 3.0}
