from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

from kpt.errors import InputError
from kpt.text import WordTokenizer
from tests.text.hostile_texts import HOSTILE, generated_texts


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("pattern", [None, r"[A-Za-zΑ-Ωα-ω]+|[0-9]", "a|ab"])
def test_the_graph_gives_the_same_ids(lowercase: bool, pattern: str | None) -> None:
    texts = [*HOSTILE, *generated_texts(4, 500), "a\x1eb\x1fc aab", "\n[UNK]\n"]
    tokenizer = WordTokenizer.train(texts, minimum_frequency=2, lowercase=lowercase, word_pattern=pattern)
    encoded = tokenizer.encode(texts)
    rows = tokenizer.in_graph()(tf.constant(texts)).to_list()
    for i, text in enumerate(texts):
        assert rows[i] == encoded.row(i).tolist(), ascii(text[:200])


def test_invalid_utf8_becomes_the_replacement_character() -> None:
    tokenizer = WordTokenizer.train(["a\ufffd b"], minimum_frequency=1)
    assert (
        tokenizer.in_graph()(tf.constant([b"a\xff b"])).to_list()
        == tokenizer.encode(["a\ufffd b"]).row(0)[None].tolist()
    )


def test_it_can_be_saved(tmp_path: Path) -> None:
    module = WordTokenizer.train(["x y x"], minimum_frequency=1).in_graph()
    tf.saved_model.save(module, str(tmp_path))
    assert tf.saved_model.load(str(tmp_path))(tf.constant(["y x z", ""])).to_list() == [[2, 1, 0], []]


@pytest.mark.parametrize("pattern", [r"\w+", r"[^\W_]+", r"a\b", r"\\\d"])
def test_a_pattern_that_means_something_else_in_the_graph_is_refused(pattern: str) -> None:
    tokenizer = WordTokenizer(WordTokenizer.train(["a"], minimum_frequency=1).vocabulary, word_pattern=pattern)
    with pytest.raises(InputError, match="ASCII alone"):
        tokenizer.in_graph()


def test_a_pattern_that_tensorflow_lacks_is_refused() -> None:
    tokenizer = WordTokenizer(WordTokenizer.train(["a"], minimum_frequency=1).vocabulary, word_pattern="a(?=b)")
    with pytest.raises(InputError, match="TensorFlow cannot use"):
        tokenizer.in_graph()
