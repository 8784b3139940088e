from __future__ import annotations

import numpy as np
import tensorflow as tf

from kpt.text.word_spans import word_spans
from kpt.text.word_spans_graph import graph_word_spans


def test_the_words_are_those_of_python() -> None:
    generator = np.random.default_rng(0)
    signs = [
        *"ab7_ \n!'@",
        "\u0301",
        "\u0308",
        "\ufe0f",
        "é",
        "中",
        "👍",
        "\u200d",
        "मु",
        "\u2003",
        "\u0e33",
        "²",
        "\x00",
    ]
    texts = ["".join(generator.choice(signs, size)) for size in generator.integers(0, 12, 300)]
    texts += ["", " ", "\u0301", "Cafe\u0301s, it's 7!"]
    found = [array.numpy() for array in tf.function(graph_word_spans)(tf.constant(texts))]
    rows = [(row, text[begin:end], begin, end) for row, text in enumerate(texts) for begin, end in word_spans(text)]
    assert [(row, word.decode(), begin, end) for word, row, begin, end in zip(*found, strict=True)] == rows


def test_no_text_and_invalid_bytes() -> None:
    assert [array.shape for array in graph_word_spans(tf.constant([], tf.string))] == [(0,)] * 4
    found = graph_word_spans(tf.constant([b"a\xff b"]))
    assert [word.decode() for word in found.words.numpy()] == ["a", "\ufffd", "b"]
    assert found.begins.numpy().tolist() == [0, 1, 3]
