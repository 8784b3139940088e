from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import keras
import pytest

from benchmarks.kills import differences
from kpt import InputError
from kpt.data import TokenStore
from kpt.errors import Terminated
from kpt.text import WordPieceTokenizer
from kpt.training.bert import BertPretraining, BertSettings, pretrain_bert
from kpt.training.metrics_log import learning_rates, read_metrics
from kpt.training.pretraining import begun_run, build_model, check_same, summarize
from kpt.training.run_folder import RunFolder
from tests.training.small_store import small_store

SMALL = {"size": "tiny", "batch_size": 4, "length": 24, "held_out": 0.2, "evaluation_batches": 2, "seed": 3}


class Interrupt(keras.callbacks.Callback):
    """Stops a run after a number of steps, as Ctrl-C or the end of a machine's time does."""

    def __init__(self, after: int, number: int = signal.SIGINT) -> None:
        super().__init__()
        self.left, self.number = after, number

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        self.left -= 1
        if not self.left:
            signal.raise_signal(self.number)


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
    settings, out = BertSettings(steps=5, evaluations=3, **SMALL), tmp_path / "run"
    with pytest.raises(Terminated, match=r"^interrupted after step 3, of which .*run has a checkpoint; go on with"):
        pretrain_bert(store.folder, out, settings, callbacks=[Interrupt(after=3, number=signal.SIGTERM)])
    assert RunFolder(out).steps == [2, 3]
    assert (out / "report.html").is_file()

    often = BertSettings(steps=5, evaluations=3, checkpoint_every=1, keep=3, **SMALL)
    results = pretrain_bert(store.folder, out, often, resume=True)
    assert differences(run[0], out) == []
    assert RunFolder(out).steps == [3, 4, 5]
    assert results["mlm_loss_heldout"] == run[1]["mlm_loss_heldout"]


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(
    store: TokenStore, run: tuple[Path, dict], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, settings = shutil.copytree(run[0], tmp_path / "run"), BertSettings(steps=5, evaluations=3, **SMALL)
    flip(RunFolder(out).checkpoint(5) / "model.keras")
    pretrain_bert(store.folder, out, settings, resume=True)
    warned = capsys.readouterr().err
    assert "step-00000005/model.keras cannot be read (its content is not what was written)" in warned
    assert "goes on from its checkpoint after 4 steps" in warned
    assert differences(run[0], out) == []

    for step in RunFolder(out).steps:
        flip(RunFolder(out).checkpoint(step) / "state.json")
    before = sorted(out.rglob("*"))
    with pytest.raises(InputError, match=r"no checkpoint of .* can be read; start the run anew, with --overwrite"):
        pretrain_bert(store.folder, out, settings, resume=True)
    assert sorted(out.rglob("*")) == before


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_complete_run_only_reports_again(store: TokenStore, run: tuple[Path, dict]) -> None:
    out, results = run
    (out / "report.html").unlink()
    again = pretrain_bert(store.folder, out, BertSettings(steps=5, evaluations=3, **SMALL), resume=True)
    assert (out / "report.html").is_file()
    assert {**again, "seconds": 0} == {**results, "seconds": 0}


def test_a_run_goes_on_only_with_its_own_settings(store: TokenStore, run: tuple[Path, dict]) -> None:
    with pytest.raises(InputError, match="has the training setting steps 5, not 6; go on with the settings"):
        pretrain_bert(store.folder, run[0], BertSettings(steps=6, evaluations=3, **SMALL), resume=True)
    other = BertSettings(steps=5, evaluations=3, **SMALL | {"size": "mini"})
    with pytest.raises(InputError, match="has the training setting size 'tiny', not 'mini'"):
        pretrain_bert(store.folder, run[0], other, resume=True)


def test_a_run_goes_on_only_with_its_own_text_and_tokenizer(store: TokenStore, run: tuple[Path, dict]) -> None:
    folder = RunFolder(run[0])
    check_same(folder, folder.config)
    for name, what in (("tokenizer", "tokenizer"), ("content", "text")):
        old = folder.config["data"][name]
        other = {**folder.config, "data": {**folder.config["data"], name: "0123456789abcdef"}}
        message = rf"begun with a store of another {what} \({old[:12]}, not 0123456789ab\): {store.folder}; go on with"
        with pytest.raises(InputError, match=message):
            check_same(folder, other)
    training = {**folder.config["training"], "keep": 9, "checkpoint_every": 7}
    check_same(folder, {**folder.config, "training": training})  # how often it is saved makes no difference


def test_a_run_is_not_written_over(store: TokenStore, run: tuple[Path, dict]) -> None:
    with pytest.raises(InputError, match="exists already"):
        pretrain_bert(store.folder, run[0], BertSettings(steps=5, **SMALL))
    assert (run[0] / "metrics.jsonl").is_file()


def test_a_run_is_replaced_on_demand(store: TokenStore, tmp_path: Path) -> None:
    tokenizer = WordPieceTokenizer.load(store.tokenizer_folder)
    config = {"model": {}, "training": {}, "data": {}}
    RunFolder.create(tmp_path / "run", tokenizer, config)
    (tmp_path / "run" / "metrics.jsonl").touch()
    RunFolder.create(tmp_path / "run", tokenizer, config, overwrite=True)
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
    run = RunFolder.create(tmp_path / "run", WordPieceTokenizer.load(store.tokenizer_folder), {})
    run.save(model, 1)
    assert isinstance(run.load().optimizer, keras.optimizers.LossScaleOptimizer)


def test_a_run_goes_on_where_its_store_was_moved(run: tuple[Path, dict]) -> None:
    config = RunFolder(run[0]).config
    config["data"]["store"] = "elsewhere"
    again = begun_run(run[0], config)
    assert again is not None and again.step == 5


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
