"""The framing of TFRecord files: how records stand in them one after the other, and how damage is noticed.

A record is its length (8 bytes), the masked CRC-32C of these, its bytes, and their masked CRC-32C, all numbers little
endian. A file is nothing but records; so one that ends anywhere but between two of them was cut off. `tf.data` takes it
for the end where the header is what is missing; here it is an error like any other damage.

Source: TensorFlow, `tensorflow/core/lib/io/record_writer.h`; CRC-32C: RFC 3720, appendix B.4.
"""

from __future__ import annotations

import mmap
import struct

import google_crc32c
import numpy as np

from kpt.errors import InputError

__all__ = ["frame", "is_header", "masked_crc", "record_at", "record_offsets"]

_LENGTH = struct.Struct("<QI")
_CRC = struct.Struct("<I")
HEADER_BYTES = _LENGTH.size
_MASK = 0xA282EAD8

Bytes = bytes | mmap.mmap


def masked_crc(data: bytes) -> int:
    r"""Return the checksum of TFRecord files.

    .. math:: m(c) = ((c \gg 15) \mid (c \ll 17)) + \mathtt{a282ead8} \mod 2^{32}

    where c is the CRC-32C of the data.

    Example:
        >>> hex(masked_crc(b"123456789"))
        '0xc78ab0e5'
    """
    crc: int = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF


def frame(payload: bytes) -> bytes:
    """Return a record as it stands in a file.

    Example:
        >>> frame(b"hi").hex()
        '020000000000000078270b34686913d60856'
    """
    length = _LENGTH.pack(len(payload), 0)[:8]
    return b"".join((length, _CRC.pack(masked_crc(length)), payload, _CRC.pack(masked_crc(payload))))


def is_header(data: bytes) -> bool:
    """Return whether bytes begin with a record's length and the checksum of it."""
    if len(data) < HEADER_BYTES:
        return False
    return bool(_LENGTH.unpack_from(data)[1] == masked_crc(data[:8]))


def record_offsets(data: Bytes, begin: int, end: int, name: str, damage: str = "") -> np.ndarray:
    """Return where the records of a file begin, and check all of them.

    Args:
        data: what holds the file.
        begin: where in it the file begins.
        end: where the file ends.
        name: of the file, for messages.
        damage: why the file ends where it does, if it ought to go on.

    Returns:
        int64 [records], offsets into `data`.

    Raises:
        InputError: the file is cut off, or a record is damaged; the message names the file, the record (from 1) and the
            byte of the file at which it begins.

    Example:
        >>> data = frame(b"one") + frame(b"three")
        >>> record_offsets(data, 0, len(data), "a.tfrecord")
        array([ 0, 19])
        >>> record_offsets(data, 0, len(data) - 1, "a.tfrecord")
        Traceback (most recent call last):
        ...
        kpt.errors.InputError: a.tfrecord, record 2 at byte 19: cut off (20 of its 21 bytes are there)
    """
    offsets: list[int] = []
    at = begin
    while at < end:
        try:
            at += len(record_at(data, at, end)) + HEADER_BYTES + _CRC.size
        except ValueError as error:
            reason = f"{error}; {damage}" if damage else str(error)
            raise InputError(f"{name}, record {len(offsets) + 1} at byte {at - begin}: {reason}") from error
        offsets.append(at)
    if damage:
        raise InputError(f"{name}, record {len(offsets) + 1} at byte {at - begin}: {damage}")
    return np.asarray([begin, *offsets[:-1]] if offsets else [], np.int64)


def record_at(data: Bytes, offset: int, end: int) -> bytes:
    """Return the bytes of the record at an offset.

    Args:
        data: what holds the file.
        offset: where the record begins.
        end: where the file ends.

    Raises:
        ValueError: the record is cut off or damaged; the message says how.
    """
    header = data[offset : min(offset + HEADER_BYTES, end)]
    if len(header) < HEADER_BYTES:
        raise ValueError(f"cut off ({len(header)} of the {HEADER_BYTES} bytes of its header are there)")
    length, crc = _LENGTH.unpack(header)
    if crc != masked_crc(header[:8]):
        raise ValueError("no TFRecord, or a damaged one (the checksum of its length differs)")
    begin = offset + HEADER_BYTES
    stop = begin + length
    if stop + _CRC.size > end:
        whole = HEADER_BYTES + length + _CRC.size
        raise ValueError(f"cut off ({end - offset} of its {whole} bytes are there)")
    payload: bytes = data[begin:stop]
    if _CRC.unpack(data[stop : stop + _CRC.size])[0] != masked_crc(payload):
        raise ValueError("damaged (the checksum of its bytes differs)")
    return payload
