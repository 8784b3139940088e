from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kpt import InputError
from kpt.data import Batches, MaskedRecords
from kpt.data.tfrecord import frame
from kpt.models import Encoder
from kpt.objectives import MaskedLM, NextSentence, Pretrainer
from tests.data.pretraining_records import LENGTH, SLOTS, Row, random_rows, vocabulary_of, write_rows

VOCABULARY = vocabulary_of()
ROWS = random_rows(30)


def stacked(rows: list[Row]) -> Row:
    return {key: np.stack([row[key] for row in rows]) for key in rows[0]}


def numbers_of(documents: list[list[int]]) -> list[int]:
    return [number for (number,) in documents]


def same(batch: Row, expected: Row) -> bool:
    return batch.keys() == expected.keys() and all(np.array_equal(batch[key], expected[key]) for key in batch)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("records")
    write_rows(path / "a.tfrecord", ROWS[:12], "bert")
    (path / "b.tfrecord").write_bytes(gzip.compress(write_rows(path / "b", ROWS[12:20], "model-garden").read_bytes()))
    write_rows(path / "c.tfrecord", ROWS[20:], "model-garden")
    return path


@pytest.fixture(scope="module")
def records(folder: Path) -> MaskedRecords:
    return MaskedRecords(folder, VOCABULARY, seed=3)


def test_both_layouts_are_read_as_they_were_written(records: MaskedRecords) -> None:
    batch = records.records(np.arange(30))
    assert same(batch, stacked(ROWS))
    assert {key: values.dtype.name for key, values in batch.items()} == {
        "token_ids": "int32",
        "segment_ids": "int32",
        "padding_mask": "bool",
        "mask_positions": "int32",
        "mask_labels": "int32",
        "mask_weights": "float32",
        "next_sentence_labels": "int32",
    }
    assert (records.length, records.predictions, records.next_sentence) == (LENGTH, SLOTS, True)


def test_each_epoch_has_each_record_once_in_an_order_of_its_own(records: MaskedRecords, folder: Path) -> None:
    epochs = [numbers_of(records.documents(epoch, 30)) for epoch in range(3)]
    assert all(sorted(epoch) == list(range(30)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert epochs[0][:8] == [27, 26, 12, 11, 8, 24, 23, 16]
    again = MaskedRecords(folder, VOCABULARY, seed=3)
    assert again.documents(2, 30) == records.documents(2, 30)
    assert MaskedRecords(folder, VOCABULARY, seed=4).documents(0, 30) != records.documents(0, 30)
    assert records.examples_per_epoch == 30


def test_a_batch_is_a_function_of_its_step_whatever_the_number_of_hosts(records: MaskedRecords) -> None:
    whole = Batches(records, batch_size=8, steps=9, prefetch=0)
    numbers = numbers_of(records.documents(7, 8))
    assert same(whole.batch(7), stacked([ROWS[number] for number in numbers]))
    parts = [Batches(records, batch_size=8, steps=9, host_index=host, host_count=2).batch(7) for host in (0, 1)]
    assert same(whole.batch(7), {key: np.concatenate([part[key] for part in parts]) for key in parts[0]})
    resumed = Batches(records, batch_size=8, steps=2, start_step=7)
    assert same(resumed[0], whole.batch(7)) and same(resumed[1], whole.batch(8))


def test_a_split_holds_each_record_once(records: MaskedRecords) -> None:
    train, held_out = records.split(0.2, seed=1)
    assert (train.examples_per_epoch, held_out.examples_per_epoch) == (24, 6)
    kept, other = numbers_of(train.documents(0, 24)), numbers_of(held_out.documents(0, 6))
    assert sorted(kept + other) == list(range(30))
    assert sorted(numbers_of(train.documents(5, 24))) == sorted(kept)
    assert sorted(numbers_of(records.split(0.2, seed=2)[1].documents(0, 6))) != sorted(other)
    with pytest.raises(InputError, match="the held-out share is 1"):
        records.split(1)


def test_a_step_on_records_is_the_step_on_their_arrays(records: MaskedRecords) -> None:
    model = Pretrainer(
        Encoder(VOCABULARY.size, width=8, depth=1, heads=2, maximum_length=LENGTH, dropout=0),
        [MaskedLM(), NextSentence()],
    )
    model.compile(optimizer="sgd")
    weights = model.get_weights()
    from_records = model.fit(Batches(records, batch_size=6, steps=1, repeat=True), verbose=0).history
    after = model.get_weights()
    model.set_weights(weights)
    arrays = stacked([ROWS[number] for number in numbers_of(records.documents(0, 6))])
    arrays |= {key: arrays[key].astype(np.int32) for key in ("token_ids", "segment_ids", "mask_labels")}
    given = model.fit(arrays, batch_size=6, shuffle=False, verbose=0).history
    assert from_records == given
    assert all(np.array_equal(one, other) for one, other in zip(after, model.get_weights(), strict=True))
    assert any(not np.array_equal(one, other) for one, other in zip(after, weights, strict=True))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"token_ids": np.arange(11)}, "its token_ids has 11 values where 12 are expected"),
        ({"mask_weights": np.float32([1, 1])}, "its mask_weights has 2 values where 3 are expected"),
        ({"next_sentence_labels": np.array([0, 1])}, "its next_sentence_labels has 2 values where 1 are expected"),
        ({"token_ids": np.arange(29, 41)}, "token_ids is to be 0 to 39, and has 40 at 11"),
        ({"mask_labels": np.array([7, -1, 0])}, "mask_labels is to be 0 to 39, and has -1 at 1"),
        ({"mask_positions": np.array([1, 2, 12])}, "mask_positions is to be 0 to 11, and has 12 at 2"),
        ({"segment_ids": np.arange(12)}, "segment_ids is to be 0 to 1, and has 2 at 2"),
        ({"next_sentence_labels": np.array(2)}, "next_sentence_labels is to be 0 to 1, and has 2 at 0"),
        ({"mask_weights": np.float32([1, np.nan, 0])}, "mask_weights is to be 0 or more, and has nan at 1"),
        ({"mask_positions": np.float32([1, 2, 3])}, "masked_lm_positions has no integers"),
    ],
)
def test_a_record_that_does_not_fit_is_named(change: dict[str, Any], problem: str, tmp_path: Path) -> None:
    write_rows(tmp_path / "a.tfrecord", [ROWS[0], {**ROWS[1], **change}])
    records = MaskedRecords(tmp_path, VOCABULARY)
    with pytest.raises(InputError, match=rf"a\.tfrecord, record 2 at byte \d+: {problem}$"):
        records.records(np.arange(2))
    write_rows(tmp_path / "b.tfrecord", [{**ROWS[1], **change}])
    with pytest.raises(InputError, match=rf"b\.tfrecord, record 1 at byte 0: {problem}$"):
        MaskedRecords(tmp_path, VOCABULARY)  # the first record of each file is read at once


def test_a_record_that_does_not_fit_ends_the_training_with_one_sentence(tmp_path: Path) -> None:
    bad = {**ROWS[5], "token_ids": np.arange(29, 41)}
    records = MaskedRecords(write_rows(tmp_path / "a", [*ROWS[:5], bad, *ROWS[6:]]), VOCABULARY)
    model = Pretrainer(
        Encoder(VOCABULARY.size, width=8, depth=1, heads=2, maximum_length=LENGTH), [MaskedLM(), NextSentence()]
    )
    model.compile(optimizer="sgd")
    batches = Batches(records, batch_size=5, steps=6, repeat=True)
    for work in (model.fit, model.evaluate):
        with pytest.raises(InputError, match=r"a, record 6 at byte \d+: token_ids is to be 0 to 39, and has 40 at 11$"):
            work(batches, verbose=0)


def test_records_without_labels_of_next_sentences(tmp_path: Path) -> None:
    rows = [{key: value for key, value in row.items() if key != "next_sentence_labels"} for row in ROWS[:3]]
    records = MaskedRecords(write_rows(tmp_path / "a", rows), VOCABULARY)
    assert not records.next_sentence
    assert "next_sentence_labels" not in records.examples(0, 3)
    mixed = MaskedRecords(write_rows(tmp_path / "b", [ROWS[0], rows[1]]), VOCABULARY)
    with pytest.raises(InputError, match=r"record 2 at byte .* its next_sentence_labels has 0 values where 1 are"):
        mixed.examples(0, 2)


def test_the_length_that_is_wanted(folder: Path) -> None:
    assert MaskedRecords(folder, VOCABULARY, length=12).length == 12
    with pytest.raises(InputError, match=r"a\.tfrecord, record 1 at byte 0: its sequence has 12 tokens, not 128; pass"):
        MaskedRecords(folder, VOCABULARY, length=128)


def test_another_kind_of_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(write_rows(tmp_path / "b", [ROWS[0]]).read_bytes()[:-1]))
    with pytest.raises(InputError, match=r"a\.gz, record 1 at byte 0: cut off"):
        MaskedRecords(tmp_path / "a.gz", VOCABULARY)
    (tmp_path / "c").write_bytes(frame(b"\xff\xff"))
    with pytest.raises(InputError, match=r"c, record 1 at byte 0: no tf\.train\.Example"):
        MaskedRecords(tmp_path / "c", VOCABULARY)
