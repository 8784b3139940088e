from __future__ import annotations

import re
import struct
from pathlib import Path

import google_crc32c
import pytest
import tensorflow as tf

from kpt import InputError
from kpt.data.tfrecord import frame, is_header, masked_crc, record_at, record_offsets

PAYLOADS = [b"", b"one", bytes(range(256)) * 300]


def test_the_checksum_is_crc_32c() -> None:
    # RFC 3720, B.4: 32 bytes of zeros, of ones, and from 0 to 31.
    for data, crc in ((bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E)):
        assert google_crc32c.value(data) == crc
        assert masked_crc(data) == (((crc >> 15) | (crc << 17)) + 0xA282EAD8) % 2**32


def test_records_are_framed_as_tensorflow_frames_them(tmp_path: Path) -> None:
    with tf.io.TFRecordWriter(str(tmp_path / "theirs")) as writer:
        for payload in PAYLOADS:
            writer.write(payload)
    data = b"".join(map(frame, PAYLOADS))
    assert (tmp_path / "theirs").read_bytes() == data
    offsets = record_offsets(data, 0, len(data), "a")
    assert offsets.tolist() == [0, 16, 35]
    assert [record_at(data, offset, len(data)) for offset in offsets.tolist()] == PAYLOADS


def test_a_part_of_a_buffer() -> None:
    data = b"before" + frame(b"one") + b"after"
    assert record_offsets(data, 6, 25, "a").tolist() == [6]
    assert record_offsets(b"", 0, 0, "a").tolist() == []


def test_every_cut_is_noticed() -> None:
    data = frame(b"one") + frame(b"three")
    for size in set(range(1, len(data))) - {19}:
        record, byte = (1, 0) if size < 19 else (2, 19)
        with pytest.raises(InputError, match=rf"^a, record {record} at byte {byte}: cut off \({size - byte} of "):
            record_offsets(data, 0, size, "a")


def test_every_flipped_bit_is_noticed() -> None:
    data = frame(b"one") + frame(b"three")
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        record, byte = (1, 0) if bit < 8 * 19 else (2, 19)
        with pytest.raises(InputError, match=rf"^a, record {record} at byte {byte}: .*checksum"):
            record_offsets(bytes(damaged), 0, len(data), "a")


def test_a_length_that_lies_takes_no_memory() -> None:
    length = struct.pack("<Q", 1 << 62)
    data = length + struct.pack("<I", masked_crc(length)) + b"few"
    with pytest.raises(InputError, match=re.escape(f"cut off (15 of its {(1 << 62) + 16} bytes are there)")):
        record_offsets(data, 0, len(data), "a")


def test_damage_that_is_known_before_is_told() -> None:
    data = frame(b"one")
    with pytest.raises(InputError, match=r"^a, record 2 at byte 19: damaged gzip$"):
        record_offsets(data, 0, 19, "a", "damaged gzip")
    with pytest.raises(InputError, match=r"^a, record 1 at byte 0: cut off \(18 of its 19 bytes .*; damaged gzip$"):
        record_offsets(data, 0, 18, "a", "damaged gzip")


def test_headers_are_known_by_their_checksum() -> None:
    assert is_header(frame(b"one"))
    assert not is_header(frame(b"one")[:11])
    assert not is_header(b"\x1f\x8b" + bytes(20))
