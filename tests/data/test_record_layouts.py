from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from kpt import InputError
from kpt.data.example_messages import serialise_example
from kpt.data.record_layouts import LAYOUTS, parse_record, serialise_record
from tests.data.pretraining_records import LENGTH, SLOTS, random_rows

# As run_pretraining.py of google-research/bert and pretrain_dataloader.py of Model Garden name them.
NAMES = {
    "bert": ("input_ids", "segment_ids"),
    "model-garden": ("input_word_ids", "input_type_ids"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_tensorflow_parses_what_is_written(layout: str) -> None:
    (row,) = random_rows(1)
    ids, segments = NAMES[layout]
    features = {name: tf.io.FixedLenFeature([LENGTH], tf.int64) for name in (ids, segments, "input_mask")}
    features |= {name: tf.io.FixedLenFeature([SLOTS], tf.int64) for name in ("masked_lm_positions", "masked_lm_ids")}
    features["masked_lm_weights"] = tf.io.FixedLenFeature([SLOTS], tf.float32)
    features["next_sentence_labels"] = tf.io.FixedLenFeature([1], tf.int64)
    data = serialise_record(row, layout)
    parsed = tf.io.parse_single_example(data, features)
    assert parsed[ids].numpy().tolist() == row["token_ids"].tolist()
    assert parsed[segments].numpy().tolist() == row["segment_ids"].astype(int).tolist()
    assert parsed["input_mask"].numpy().tolist() == row["padding_mask"].astype(int).tolist()
    assert parsed["masked_lm_positions"].numpy().tolist() == row["mask_positions"].tolist()
    assert parsed["masked_lm_ids"].numpy().tolist() == row["mask_labels"].tolist()
    assert parsed["masked_lm_weights"].numpy().tolist() == row["mask_weights"].tolist()
    assert parsed["next_sentence_labels"].numpy().tolist() == [int(row["next_sentence_labels"])]
    again = parse_record(data)
    assert all(np.array_equal(again[key], np.atleast_1d(value)) for key, value in row.items())


def test_labels_may_be_absent_and_other_features_are_passed_over() -> None:
    (row,) = random_rows(1)
    del row["next_sentence_labels"]
    example = tf.train.Example.FromString(serialise_record(row, "bert"))
    example.features.feature["original_ids"].int64_list.value.extend([1])
    assert sorted(parse_record(example.SerializeToString())) == sorted(row)


def test_what_does_not_fit_is_named() -> None:
    (row,) = random_rows(1)
    with pytest.raises(InputError, match="the layout is 'garden'; choose one of bert, model-garden"):
        serialise_record(row, "garden")
    with pytest.raises(ValueError, match=r"^it has neither input_ids nor input_word_ids \(it has ids\)$"):
        parse_record(serialise_example({"ids": np.array([1])}))
    with pytest.raises(ValueError, match=r"\(it has no features\)"):
        parse_record(b"")
    kept = {key: value for key, value in row.items() if key != "mask_labels"}
    with pytest.raises(ValueError, match=r"^it lacks masked_lm_ids \(it has input_ids, .*, segment_ids\)$"):
        parse_record(serialise_record(kept, "bert"))
    with pytest.raises(ValueError, match=r"^masked_lm_weights has no numbers with a fraction$"):
        parse_record(serialise_record({**row, "mask_weights": np.array([1, 0, 0])}, "bert"))
    with pytest.raises(ValueError, match=r"^input_word_ids has no integers$"):
        parse_record(serialise_record({**row, "token_ids": row["token_ids"] / 2}, "model-garden"))
