from __future__ import annotations

import tensorflow as tf

from kpt.text.detokenize_graph import joined_contents


def test_bytes_are_joined_and_ids_skipped() -> None:
    contents = [b"a", b"\xe2", b"<end>"]
    ragged = tf.ragged.constant([[0, 1], [], [2, 0]], tf.int32)
    assert joined_contents(contents, (), ragged).numpy().tolist() == [b"a\xe2", b"", b"<end>a"]
    assert joined_contents(contents, (2,), ragged.to_tensor(2)).numpy().tolist() == [b"a\xe2", b"", b"a"]
