from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from kpt import InputError
from kpt.data import TokenStore, prepare
from kpt.files import write_json
from kpt.text import WordTokenizer
from kpt.training.metrics_log import read_metrics
from kpt.training.report_map import word_map
from kpt.training.run_folder import RunFolder
from kpt.training.word2vec import plan, pretrain_word2vec, run_vectors
from kpt.training.word2vec_settings import Word2VecSettings
from kpt.vectors import WordVectors
from tests.training.small_store import small_store
from tests.training.word_store import word_store

SMALL: dict[str, Any] = {"width": 16, "window": 3, "epochs": 3, "length": 128, "sample": 0.0, "seed": 3}


class Send(keras.callbacks.Callback):
    """Sends the process the signal of Ctrl-C while a step is counted."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left = after

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        self.left -= 1
        if not self.left:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    return word_store(tmp_path_factory.mktemp("data") / "store")


@pytest.fixture(scope="module")
def run(store: TokenStore, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("runs") / "whole"
    return out, pretrain_word2vec(store.folder, out, Word2VecSettings(**SMALL))


def test_a_run_leaves_vectors_and_a_report(store: TokenStore, run: tuple[Path, dict[str, Any]]) -> None:
    out, results = run
    folder = RunFolder(out)
    steps = folder.config["training"]["steps"]
    assert folder.config["kind"] == "word2vec"
    assert folder.step == results["steps"] == steps >= 100
    assert results["vocabulary_size"] == 25
    assert results["words"] >= 3 * store.tokens
    assert results["words_per_second"] > 0
    assert results["loss_last"] < results["loss_first"] - 0.5
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Words per second" in page and "Tokens per second" not in page
    vectors = WordVectors.load(results["vectors"])
    assert vectors.words == store.vocabulary.tokens[1:]
    assert vectors.counts is not None and vectors.counts.tolist() == store.counts()[1:].tolist()
    np.testing.assert_array_equal(vectors.vectors, folder.load(compile=False).vectors[1:])
    assert run_vectors(folder).words == vectors.words
    assert json.loads((folder.path / "map.json").read_text()) == word_map(vectors)
    assert "Map of the words" in (folder.path / "report.html").read_text(encoding="utf-8")
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "word2vec pre-training" in page and "Loss, nats" in page
    assert json.loads((out / "results.json").read_text(encoding="utf-8"))["words"] == results["words"]


def test_words_of_a_group_are_near(run: tuple[Path, dict[str, Any]]) -> None:
    vectors = run_vectors(RunFolder(run[0]))
    near = vectors.nearest(vectors.words, 5)
    own = [word[0] == other[0] for word, others in zip(vectors.words, near, strict=True) for other, _ in others]
    assert np.mean(own) >= 0.95


def test_an_interruption_leaves_vectors_and_goes_on_to_the_same_end(
    store: TokenStore, run: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    settings, out = Word2VecSettings(**SMALL), tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        pretrain_word2vec(store.folder, out, settings, callbacks=[Send(after=5)])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    whole, whole_results = run
    folder = RunFolder(out)
    done = folder.step
    assert 5 <= done < whole_results["steps"]
    assert [line["step"] for line in read_metrics(folder.metrics)][-1] <= done
    partly = run_vectors(folder)
    np.testing.assert_array_equal(partly.vectors, folder.load(compile=False).vectors[1:])
    assert (out / "report.html").is_file()

    results = pretrain_word2vec(store.folder, out, settings, resume=True)
    assert results["steps"] == whole_results["steps"]
    assert np.abs(run_vectors(folder).vectors - partly.vectors).max() > 0.01
    np.testing.assert_allclose(run_vectors(folder).vectors, run_vectors(RunFolder(whole)).vectors, atol=1e-3)


def test_a_complete_run_only_reports_and_is_not_replaced(store: TokenStore, run: tuple[Path, dict[str, Any]]) -> None:
    out, results = run
    again = pretrain_word2vec(store.folder, out, Word2VecSettings(**SMALL), resume=True)
    assert {**again, "seconds": 0} == {**results, "seconds": 0}
    with pytest.raises(InputError, match="exists already"):
        pretrain_word2vec(store.folder, out, Word2VecSettings(**SMALL))
    with pytest.raises(InputError, match="model setting width 16, not 8"):
        pretrain_word2vec(store.folder, out, Word2VecSettings(**SMALL | {"width": 8}), resume=True)
    with pytest.raises(InputError, match="model setting architecture 'skip-gram', not 'cbow'"):
        pretrain_word2vec(store.folder, out, Word2VecSettings(architecture="cbow", **SMALL), resume=True)


@pytest.mark.parametrize("written", [{}, {"block": 32, "shared_negatives": 22}])
def test_a_run_with_other_examples_is_gone_on_with_from_its_vectors(
    store: TokenStore, run: tuple[Path, dict[str, Any]], tmp_path: Path, written: dict[str, int]
) -> None:
    out = tmp_path / "run"
    shutil.copytree(run[0], out)
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    assert (config["training"].pop("block"), config["training"].pop("shared_negatives")) == (16, 22)
    config["training"] |= written
    write_json(out / "config.json", config)
    settings = Word2VecSettings(**SMALL)
    with pytest.raises(InputError, match=r"earlier version of kpt, .* in another folder: --from .*run$"):
        pretrain_word2vec(store.folder, out, settings, resume=True)
    more = pretrain_word2vec(store.folder, tmp_path / "more", settings, source=out)
    shutil.rmtree(out / "checkpoints")
    with pytest.raises(InputError, match="begin anew: --overwrite"):
        pretrain_word2vec(store.folder, out, settings, resume=True)
    assert more["loss_first"] < run[1]["loss_first"] - 0.5


def test_cbow_shows_words_a_second_and_the_time_left_and_keeps_checkpoints(
    store: TokenStore, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = Word2VecSettings(architecture="cbow", checkpoint_every=12, keep=3, **SMALL | {"epochs": 1})
    results = pretrain_word2vec(store.folder, tmp_path / "run", settings, progress=True)
    shown = capfd.readouterr().err
    assert "k words/s" in shown and " left" in shown and "loss" in shown
    folder = RunFolder(tmp_path / "run")
    assert folder.steps == [*range(12, results["steps"], 12), results["steps"]][-3:] and len(folder.steps) == 3
    model = folder.load()
    assert (model.architecture, model.width) == ("cbow", 16)
    assert float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)) == pytest.approx(1e-4, rel=0.1)
    assert results["loss_last"] < results["loss_first"]


@pytest.mark.parametrize(("steps", "expected"), [(1, (1, 1)), (99, (99, 1)), (101, (102, 2)), (10_001, (10_016, 32))])
def test_steps_are_a_multiple_of_those_executed_together(steps: int, expected: tuple[int, int]) -> None:
    assert plan(steps) == expected


def test_a_run_goes_on_with_new_words(store: TokenStore, run: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    old, tokenizer = RunFolder(run[0]).load(compile=False), RunFolder(run[0]).tokenizer
    assert isinstance(tokenizer, WordTokenizer)
    sentences = ["0-0 new-1 0-2 new-2"] * 300
    more = prepare(sentences, tokenizer.extend(sentences), tmp_path / "store", split=str.splitlines, progress=False)
    # So low a rate that the rows stay where they begin.
    settings = Word2VecSettings(**SMALL | {"epochs": 1, "learning_rate": 1e-9})
    results = pretrain_word2vec(more.folder, tmp_path / "more", settings, source=run[0])
    assert results["vocabulary_size"] == store.vocabulary.size + 2
    went_on = RunFolder(tmp_path / "more")
    assert went_on.config["model"]["from"] == str(run[0])
    vectors, before = went_on.load(compile=False).vectors, old.vectors
    np.testing.assert_allclose(vectors[: len(before)], before, atol=1e-5)
    assert len(vectors) == len(before) + 2 and (vectors[len(before) :] != 0).any(axis=1).all()
    assert pretrain_word2vec(more.folder, tmp_path / "more", settings, resume=True)["steps"] == results["steps"]

    with pytest.raises(InputError, match="not 8; give the same, or train a new model"):
        wrong = Word2VecSettings(**SMALL | {"width": 8})
        pretrain_word2vec(more.folder, tmp_path / "other", wrong, source=run[0])
    others = prepare(["a b a b"], WordTokenizer.train(["a b"] * 5), tmp_path / "others", progress=False)
    with pytest.raises(InputError, match="made by: kpt tokenizer --kind words --extend"):
        pretrain_word2vec(others.folder, tmp_path / "other", settings, source=run[0])


def test_other_runs_have_no_vectors(store: TokenStore, tmp_path: Path) -> None:
    from kpt.text import load_tokenizer

    tokenizer = load_tokenizer(store.tokenizer_folder)
    with pytest.raises(InputError, match="is not a run of word2vec"):
        run_vectors(RunFolder.create(tmp_path / "bert", tokenizer, {}))
    with pytest.raises(InputError, match="has no vectors yet"):
        run_vectors(RunFolder.create(tmp_path / "word2vec", tokenizer, {"kind": "word2vec"}))


def test_a_store_of_pieces_gives_vectors_of_pieces(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store")
    pretrain_word2vec(store.folder, tmp_path / "run", Word2VecSettings(**SMALL | {"epochs": 1}))
    vectors = run_vectors(RunFolder(tmp_path / "run"))
    assert "the" in vectors and "[MASK]" not in vectors and len(vectors) == 85
