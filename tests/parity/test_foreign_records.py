"""Records as google-research/bert and TensorFlow Model Garden write them, with TensorFlow, come out as they went in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from kpt.data import MaskedRecords
from tests.data.pretraining_records import Row, random_rows, vocabulary_of

ROWS = random_rows(30)


def write_with_tensorflow(path: Path, rows: list[Row], model_garden: bool, compression: str = "") -> None:
    """As `write_instance_to_example_files` of the two projects does."""

    def integers(values: np.ndarray) -> tf.train.Feature:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=np.atleast_1d(values).astype(int).tolist()))

    with tf.io.TFRecordWriter(str(path), tf.io.TFRecordOptions(compression_type=compression)) as writer:
        for row in rows:
            features = {
                "input_word_ids" if model_garden else "input_ids": integers(row["token_ids"]),
                "input_type_ids" if model_garden else "segment_ids": integers(row["segment_ids"]),
                "input_mask": integers(row["padding_mask"]),
                "masked_lm_positions": integers(row["mask_positions"]),
                "masked_lm_ids": integers(row["mask_labels"]),
                "masked_lm_weights": tf.train.Feature(
                    float_list=tf.train.FloatList(value=row["mask_weights"].tolist())
                ),
                "next_sentence_labels": integers(row["next_sentence_labels"]),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())


@pytest.mark.parametrize("compression", ["", "GZIP"])
@pytest.mark.parametrize("model_garden", [False, True])
def test_records_of_others_are_read_as_they_were_written(model_garden: bool, compression: str, tmp_path: Path) -> None:
    write_with_tensorflow(tmp_path / "a.tfrecord", ROWS[:20], model_garden, compression)
    write_with_tensorflow(tmp_path / "b.tfrecord", ROWS[20:], model_garden, compression)
    batch = MaskedRecords(tmp_path, vocabulary_of()).records(np.arange(30))
    assert sorted(batch) == sorted(ROWS[0])
    for key, values in batch.items():
        assert np.array_equal(values, np.stack([row[key] for row in ROWS])), key
