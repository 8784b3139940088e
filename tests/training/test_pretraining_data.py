from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kpt import InputError
from kpt.data import MaskedRecords, SentencePairs, TokenStore
from kpt.objectives import StaticMasking, write_records
from kpt.training.baselines import token_counts
from kpt.training.bert import BertPretraining, BertSettings, pretrain_bert
from kpt.training.dry_run import dry_run
from kpt.training.gpt import GptSettings, pretrain_gpt
from kpt.training.pretraining_data import RecordSource, batches_of, content_of, open_data, open_tokenizer
from kpt.training.run_folder import RunFolder
from tests.training.small_store import small_store

SMALL: dict[str, Any] = {"size": "tiny", "batch_size": 4, "length": 24, "evaluation_batches": 2, "seed": 3}
WRITTEN = StaticMasking(length=24, dupe_factor=2, held_out=0.2, seed=1, shards=2)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    return small_store(tmp_path_factory.mktemp("data") / "store")


@pytest.fixture(scope="module")
def folder(store: TokenStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("records") / "out"
    write_records(store, path, WRITTEN)
    return path


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("runs") / "run"
    return out, pretrain_bert(RecordSource(folder), out, BertSettings(steps=2, evaluations=1, **SMALL))


def opened(data: Any, **options: Any) -> Any:
    settings = BertSettings(steps=3, **{**SMALL, **options})
    return open_data(data, settings, least_held_out=2, takes_records=True)


def test_a_folder_of_kpt_is_divided_as_it_was_written(folder: Path, store: TokenStore) -> None:
    data = opened(RecordSource(folder))
    manifest = json.loads((folder / "records.json").read_text(encoding="utf-8"))
    assert data.train.examples_per_epoch == manifest["records"]
    assert data.held_out.examples_per_epoch == manifest["validation_records"]
    assert [Path(name).name for name in data.held_out.files.names] == [
        "validation-00000-of-00002.tfrecord",
        "validation-00001-of-00002.tfrecord",
    ]
    assert data.tokenizer.fingerprint == store.tokenizer_fingerprint == data.description["tokenizer"]
    assert data.description["records"] == manifest["records"] + manifest["validation_records"]


def test_other_records_are_divided_by_a_share(folder: Path) -> None:
    data = opened(RecordSource(f"{folder}/train-*", folder / "tokenizer"), held_out=0.25)
    total = len(data.train.files)
    assert (data.held_out.examples_per_epoch, data.train.examples_per_epoch) == (
        round(total / 4),
        total - round(total / 4),
    )


def test_the_fingerprint_is_that_of_the_records_wherever_they_are(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "moved")
    here, moved = opened(RecordSource(folder)), opened(RecordSource([tmp_path / "moved"]))
    assert here.description["content"] == moved.description["content"]
    assert here.description["store"] != moved.description["store"]
    fewer = opened(RecordSource(f"{folder}/train-00000*", folder / "tokenizer", f"{folder}/validation-*"))
    assert fewer.description["content"] != here.description["content"]


def test_records_are_not_masked_again(folder: Path) -> None:
    data = opened(RecordSource(folder))
    task = BertPretraining(BertSettings(steps=3, **SMALL))
    model = task.model(data.tokenizer.vocabulary)
    batch = batches_of(task.examples(data.train), model, batch_size=4, steps=1).batch(0)
    expected = data.train.examples(0, 4)
    assert batch.keys() == expected.keys()
    assert all(np.array_equal(batch[key], expected[key]) for key in batch)


def test_tokens_are_counted_as_they_were_before(store: TokenStore, tmp_path: Path) -> None:
    write_records(store, tmp_path / "out", StaticMasking(length=96, dupe_factor=1, short_probability=0))
    records = MaskedRecords(f"{tmp_path}/out/*.tfrecord", store.vocabulary)
    counts = token_counts(records)
    assert not counts[list(store.vocabulary.special_ids)].any()
    pairs = SentencePairs(store, length=96, short_probability=0)
    ids = pairs.examples(0, pairs.examples_per_epoch)["token_ids"]
    assert counts.tolist() == np.where(np.arange(90) < 5, 0, np.bincount(ids.ravel(), minlength=90)).tolist()


def test_a_run_on_records(run: tuple[Path, dict], folder: Path) -> None:
    out, results = run
    assert results["steps"] == 2 and 0 < results["mlm_accuracy_baseline"] < 0.5
    assert RunFolder(out).tokenizer.vocabulary.size == 90
    assert len(json.loads((out / "samples.json").read_text(encoding="utf-8"))) == 8
    settings = BertSettings(steps=2, evaluations=1, **SMALL)
    with pytest.raises(InputError, match="was begun with a store of another text"):
        pretrain_bert(RecordSource(f"{folder}/train-*", folder / "tokenizer"), out, settings, resume=True)


def test_what_a_run_would_take(folder: Path, run: tuple[Path, dict]) -> None:
    table = dry_run(BertPretraining(BertSettings(steps=3, **SMALL)), RecordSource(folder))
    assert table["parameters"] == run[1]["parameters"]


def test_a_store_is_opened_as_before(store: TokenStore) -> None:
    data = opened(store.folder, held_out=0.2)
    assert (data.train.documents, data.held_out.documents) == (24, 6)
    assert data.description["content"] == content_of(store)
    assert data.description["documents"] == 30
    assert open_tokenizer(store.folder).fingerprint == store.tokenizer_fingerprint


def test_what_does_not_fit_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no tokenizer is named for the records"):
        opened(RecordSource(f"{folder}/train-*"))
    with pytest.raises(InputError, match=r"record 1 at byte 0: its sequence has 24 tokens, not 32; pass 24"):
        opened(RecordSource(folder), length=32)
    with pytest.raises(InputError, match="masked records are for the pre-training of BERT alone"):
        pretrain_gpt(RecordSource(folder), tmp_path / "run", GptSettings(steps=1))
    (tmp_path / "records.json").write_text("[]")
    with pytest.raises(InputError, match=r"records\.json cannot be read .*; name the files of the records"):
        opened(RecordSource(tmp_path))
    (tmp_path / "records.json").write_text('{"format": "other", "files": []}')
    with pytest.raises(InputError, match=r"records\.json is of another program"):
        opened(RecordSource(tmp_path))


def test_records_to_evaluate_on_have_the_same_slots(folder: Path, store: TokenStore, tmp_path: Path) -> None:
    write_records(store, tmp_path / "out", StaticMasking(length=24, dupe_factor=1, predictions=9))
    source = RecordSource(f"{folder}/train-*", folder / "tokenizer", f"{tmp_path}/out/*.tfrecord")
    with pytest.raises(InputError, match="its masked_lm_positions has 9 values, those to train on 4; make both"):
        opened(source)
