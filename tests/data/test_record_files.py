from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import tensorflow as tf

from kpt import InputError
from kpt.data.record_files import RecordFiles
from kpt.data.tfrecord import frame


def written(path: Path, payloads: list[bytes]) -> Path:
    path.write_bytes(b"".join(map(frame, payloads)))
    return path


def test_records_of_several_files_have_numbers_in_a_row(tmp_path: Path) -> None:
    written(tmp_path / "b.tfrecord", [b"three"])
    written(tmp_path / "a.tfrecord", [b"one", b"two"])
    written(tmp_path / "a0.tfrecord", [])
    (tmp_path / "c.tf_record.gz").write_bytes(gzip.compress(frame(b"four") + frame(b"five")))
    (tmp_path / "README").write_text("no records")
    for files in (tmp_path, [tmp_path / "a.tfrecord", f"{tmp_path}/*.tfrecord", f"{tmp_path}/*.gz"]):
        records = RecordFiles(files)
        assert sorted(records[number] for number in range(len(records))) == [b"five", b"four", b"one", b"three", b"two"]
    assert [Path(name).name for name in records.names] == ["a.tfrecord", "a0.tfrecord", "b.tfrecord", "c.tf_record.gz"]
    assert records.counts == (2, 0, 1, 2)
    assert records[2] == b"three"
    assert records.place(4) == f"{tmp_path}/c.tf_record.gz, record 2 at byte 20"
    with pytest.raises(IndexError, match="record 5 is not below 5"):
        _ = records[5]


def test_what_tensorflow_compressed_is_read(tmp_path: Path) -> None:
    path = str(tmp_path / "plainly named")
    with tf.io.TFRecordWriter(path, tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
        for number in range(3):
            writer.write(b"%d" % number)
    records = RecordFiles(path)
    assert [records[number] for number in (2, 0, 1)] == [b"2", b"0", b"1"]


def test_a_record_that_begins_like_gzip_is_a_record(tmp_path: Path) -> None:
    payload = bytes(0x8B1F)  # its length is written 1f 8b 00 ...
    path = written(tmp_path / "a", [payload])
    assert path.read_bytes()[:2] == b"\x1f\x8b"
    assert RecordFiles(path)[0] == payload


def test_many_files_are_read_in_any_order(tmp_path: Path) -> None:
    for number in range(150):
        written(tmp_path / f"{number:03}.tfrecord", [b"%d" % number])
    records = RecordFiles(tmp_path)
    order = [number * 7 % 150 for number in range(300)]
    assert [int(records[number]) for number in order] == order


def test_damage_is_told_with_file_record_and_byte(tmp_path: Path) -> None:
    data = frame(b"one") + frame(b"three")
    (tmp_path / "cut").write_bytes(data[:-3])
    with pytest.raises(InputError, match=rf"^{tmp_path}/cut, record 2 at byte 19: cut off \(18 of its 21 bytes"):
        RecordFiles(tmp_path / "cut")
    (tmp_path / "header").write_bytes(data[:24])  # tf.data takes this for the end of the file
    with pytest.raises(InputError, match=r"header, record 2 at byte 19: cut off \(5 of the 12 bytes of its header"):
        RecordFiles(tmp_path / "header")
    (tmp_path / "cut.gz").write_bytes(gzip.compress(data, mtime=0)[:-12])
    with pytest.raises(InputError, match=r"cut\.gz, record 2 at byte 19: .*damaged gzip \(Compressed file ended"):
        RecordFiles(tmp_path / "cut.gz")
    (tmp_path / "trailer.gz").write_bytes(gzip.compress(data)[:-6])
    with pytest.raises(InputError, match=r"trailer\.gz, record 3 at byte 40: damaged gzip"):
        RecordFiles(tmp_path / "trailer.gz")
    (tmp_path / "text").write_text("This is text, and no record of any kind.")
    with pytest.raises(InputError, match=r"text, record 1 at byte 0: no TFRecord, or a damaged one"):
        RecordFiles(tmp_path / "text")


def test_damage_after_the_opening_is_noticed(tmp_path: Path) -> None:
    path = written(tmp_path / "a", [b"one", b"two"])
    records = RecordFiles(path)
    data = bytearray(path.read_bytes())
    data[19 + 12] ^= 1
    path.write_bytes(data)
    assert records[0] == b"one"
    with pytest.raises(InputError, match=r"a, record 2 at byte 19: damaged .*; it was whole when the file was opened"):
        _ = records[1]


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no \.tfrecord, \.tfrecords, \.tf_record, \.tfrec file"):
        RecordFiles(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        RecordFiles(tmp_path / "a.tfrecord")
    with pytest.raises(InputError, match=r"there is no record in .*a\.tfrecord"):
        RecordFiles(written(tmp_path / "a.tfrecord", []))
    (tmp_path / "a.gz").write_bytes(gzip.compress(b""))
    with pytest.raises(InputError, match=r"there is no record in .*a\.gz"):
        RecordFiles(tmp_path / "a.gz")
