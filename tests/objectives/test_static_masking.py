from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kpt import InputError
from kpt.data import Batches, MaskedRecords, SentencePairs, TokenStore
from kpt.data.record_files import RecordFiles
from kpt.objectives import MaskedLM, StaticMasking, prepare_records, write_records
from kpt.text import load_tokenizer
from tests.training.small_store import DOCUMENTS, small_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    return small_store(tmp_path_factory.mktemp("store") / "store")


def arrays_of(folder: Path, store: TokenStore, name: str = "train") -> dict[str, np.ndarray]:
    """All records of one shard, in the order in which they were written."""
    records = MaskedRecords(f"{folder}/{name}-*", store.vocabulary)
    return records.records(np.arange(records.examples_per_epoch))


@pytest.mark.parametrize("layout", ["bert", "model-garden"])
def test_records_are_the_batches_of_training(layout: str, store: TokenStore, tmp_path: Path) -> None:
    settings = StaticMasking(layout=layout, length=32, dupe_factor=5, seed=7, whole_words=True, short_probability=0.3)
    written = write_records(store, tmp_path / "out", settings)
    pairs = SentencePairs(store, length=32, short_probability=0.3, seed=7)
    batches = Batches(pairs, [MaskedLM(whole_words=True)], batch_size=256, steps=2)
    count = 5 * pairs.examples_per_epoch
    assert 256 < count == written["records"]
    both = [batches.batch(step) for step in range(2)]
    for key, values in arrays_of(tmp_path / "out", store).items():
        assert np.array_equal(values, np.concatenate([batch[key] for batch in both])[:count]), key


def test_each_time_through_the_text_has_other_masks(store: TokenStore, tmp_path: Path) -> None:
    write_records(store, tmp_path / "a", StaticMasking(length=32, dupe_factor=2))
    write_records(store, tmp_path / "b", StaticMasking(length=32, dupe_factor=2, seed=1))
    batch, other = arrays_of(tmp_path / "a", store), arrays_of(tmp_path / "b", store)
    half = len(batch["token_ids"]) // 2
    assert not any(np.array_equal(row, twin) for row in batch["token_ids"][:half] for twin in batch["token_ids"][half:])
    assert not np.array_equal(batch["token_ids"], other["token_ids"])
    share = batch["mask_weights"].sum() / (batch["padding_mask"].sum() - 3 * len(batch["token_ids"]))
    assert share == pytest.approx(0.15, abs=0.03)
    assert batch["next_sentence_labels"].mean() == pytest.approx(0.5, abs=0.2)


def test_files_say_what_they_are(store: TokenStore, tmp_path: Path) -> None:
    settings = StaticMasking(length=16, dupe_factor=3, held_out=0.2, shards=2, compression="gzip")
    written = write_records(store, tmp_path / "out", settings)
    manifest = json.loads((tmp_path / "out" / "records.json").read_text())
    names = [f"{name}-0000{index}-of-00002.tfrecord.gz" for name in ("train", "validation") for index in range(2)]
    assert [entry["file"] for entry in manifest["files"]] == names
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["records.json", "tokenizer", *names]
    assert {key: manifest[key] for key in written} == written
    assert (written["predictions"], written["shards"], written["layout"]) == (3, 4, "bert")
    assert sum(RecordFiles(f"{tmp_path}/out/train-*").counts) == written["records"]
    assert sum(RecordFiles(f"{tmp_path}/out/validation-*").counts) == written["validation_records"] > 0
    assert load_tokenizer(tmp_path / "out" / "tokenizer").fingerprint == manifest["tokenizer"]


def test_records_of_held_out_documents_are_apart(store: TokenStore, tmp_path: Path) -> None:
    write_records(store, tmp_path / "out", StaticMasking(length=32, dupe_factor=4, held_out=0.2, seed=3))
    train, held_out = store.split(0.2, seed=3)
    for name, part, times in (("train", train, 4), ("validation", held_out, 1)):
        pairs = SentencePairs(part, length=32, seed=3)
        expected = Batches(pairs, [MaskedLM()], batch_size=256, steps=1).batch(0)
        batch = arrays_of(tmp_path / "out", store, name)
        assert len(batch["token_ids"]) == times * pairs.examples_per_epoch < 256
        assert np.array_equal(batch["token_ids"], expected["token_ids"][: len(batch["token_ids"])])


def test_text_becomes_records_and_leaves_no_store(
    store: TokenStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = StaticMasking(length=32, dupe_factor=2)
    (tmp_path / "text.txt").write_text("\n\n".join(DOCUMENTS))
    from kpt.text import Corpus

    tokenizer = load_tokenizer(store.tokenizer_folder)
    result = prepare_records(Corpus(tmp_path / "text.txt"), tokenizer, tmp_path / "a", settings, progress=False)
    assert (result["documents"], result["problems"]) == (30, {})
    write_records(store, tmp_path / "b", settings)
    for path in (tmp_path / "b").glob("*"):
        assert path.is_dir() or path.read_bytes() == (tmp_path / "a" / path.name).read_bytes()
    assert not (tmp_path / "a" / "store").exists()
    with pytest.raises(InputError, match="is not empty"):
        write_records(store, tmp_path / "a", settings)
    write_records(store, tmp_path / "a", StaticMasking(length=16, dupe_factor=1), overwrite=True)
    assert json.loads((tmp_path / "a" / "records.json").read_text())["length"] == 16
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "text.txt"]
    assert capsys.readouterr().err == ""


def test_a_failure_leaves_nothing(store: TokenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kpt.objectives.static_masking.serialise_record", fail)
    with pytest.raises(OSError, match="No space left"):
        write_records(store, tmp_path / "out", StaticMasking(length=32))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"layout": "albert"}, "the layout is 'albert'; choose one of bert, model-garden"),
        ({"compression": "zip"}, "the compression is 'zip'; choose one of none, gzip"),
        ({"dupe_factor": 0}, "dupe_factor is 0"),
        ({"held_out": 1.0}, "the held-out share is 1.0"),
        ({"length": 4}, "the length is 4; give at least 5"),
        ({"seed": -1}, "the seed is -1"),
        ({"shards": 1000}, "the number of shards is 1000; give one from 1 to 512"),
        ({"masking_rate": 1.0}, "The masking rate must lie between 0 and 1"),
        ({"predictions": 0}, "predictions is 0"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        StaticMasking(**settings)
