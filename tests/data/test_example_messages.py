from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from kpt.data.example_messages import parse_example, serialise_example


def test_what_tensorflow_wrote_is_read() -> None:
    example = tf.train.Example()
    example.features.feature["ids"].int64_list.value.extend([5, -1, 2**62])
    example.features.feature["weights"].float_list.value.extend([0.5, 1e30])
    example.features.feature["text"].bytes_list.value.extend([b"a", b"\xff"])
    example.features.feature["nothing"].SetInParent()
    features = parse_example(example.SerializeToString())
    assert sorted(features) == ["ids", "text", "weights"]
    assert features["ids"].dtype == np.int64 and features["ids"].tolist() == [5, -1, 2**62]
    assert features["weights"].dtype == np.float32
    assert np.array_equal(features["weights"], np.float32([0.5, 1e30]))
    assert features["text"] == [b"a", b"\xff"]


def test_what_is_written_tensorflow_reads() -> None:
    data = serialise_example(
        {"ids": np.array([3, 70_000], np.int32), "weights": np.float32([0.25]), "mask": np.array([True, False])}
    )
    example = tf.train.Example.FromString(data)
    assert list(example.features.feature["ids"].int64_list.value) == [3, 70_000]
    assert list(example.features.feature["weights"].float_list.value) == [0.25]
    assert list(example.features.feature["mask"].int64_list.value) == [1, 0]
    assert serialise_example(parse_example(data)) == data


@pytest.mark.parametrize("data", [b"\x0a\xff\xff\xff\xff", b"no message", b"\x0a\x03abc"])
def test_what_is_no_example_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"^no tf\.train\.Example$"):
        parse_example(data)
