from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest
import tensorflow as tf

from kpt import InputError
from kpt.data.record_files import RecordFiles
from kpt.data.record_writer import RecordWriter

PAYLOADS = [b"%d" % number for number in range(10)]


def write(folder: Path, shards: int, compression: str = "none") -> list[dict]:
    folder.mkdir()
    writer = RecordWriter(folder, "train", shards, compression)
    for payload in PAYLOADS:
        writer.write(payload)
    return writer.finish()


@pytest.mark.parametrize(("compression", "ending"), [("none", ".tfrecord"), ("gzip", ".tfrecord.gz")])
def test_records_go_to_shards_in_turn_and_tensorflow_reads_them(tmp_path: Path, compression: str, ending: str) -> None:
    entries = write(tmp_path / "out", 3, compression)
    paths = [tmp_path / "out" / f"train-0000{index}-of-00003{ending}" for index in range(3)]
    assert sorted((tmp_path / "out").iterdir()) == paths
    for index, path in enumerate(paths):
        read = tf.data.TFRecordDataset(str(path), compression_type="GZIP" if compression == "gzip" else "")
        assert [record.numpy() for record in read] == PAYLOADS[index::3]
        assert entries[index] == {
            "file": path.name,
            "records": (4, 3, 3)[index],
            "bytes": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
    records = RecordFiles(tmp_path / "out")
    assert sorted(records[number] for number in range(10)) == PAYLOADS


def test_more_shards_than_records(tmp_path: Path) -> None:
    assert [entry["records"] for entry in write(tmp_path / "out", 12)] == [1] * 10 + [0] * 2


def test_compressed_files_are_the_same_each_time(tmp_path: Path) -> None:
    assert write(tmp_path / "a", 2, "gzip") == write(tmp_path / "b", 2, "gzip")
    content = (tmp_path / "a" / "train-00000-of-00002.tfrecord.gz").read_bytes()
    assert content[3:8] == bytes(5)  # neither a name nor a time
    assert gzip.decompress(content)


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the compression is 'zlib'; choose one of none, gzip"):
        RecordWriter(tmp_path, "train", 1, "zlib")
    for shards in (0, 513):
        with pytest.raises(InputError, match=f"the number of shards is {shards}; give one from 1 to 512"):
            RecordWriter(tmp_path, "train", shards)
    assert not list(tmp_path.iterdir())
