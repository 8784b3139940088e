from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from kpt.export.word_signatures import ServedWords


def test_no_words_and_no_neighbours(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text("cat\ndog\ncar\n", encoding="utf-8")
    served = ServedWords(file, np.array([[2, 0], [1, 0.1], [0, 3]], np.float32))
    none = served.functions["nearest"](words=tf.constant([], tf.string), k=tf.constant(2))
    assert none["neighbours"].shape == none["similarities"].shape == (0, 2)
    assert served.functions["serving_default"](words=tf.constant([], tf.string))["vectors"].shape == (0, 2)
    assert served.functions["nearest"](words=tf.constant(["cat"]), k=tf.constant(0))["neighbours"].shape == (1, 0)
    near = served.functions["nearest"](words=tf.constant(["cat", "cat", "bird"]), k=tf.constant(2))
    assert near["neighbours"].numpy().tolist() == [[b"dog", b"car"], [b"dog", b"car"], [b"", b""]]
