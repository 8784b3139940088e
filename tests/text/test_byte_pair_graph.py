from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from kpt.text.byte_pair import BytePairTokenizer
from kpt.text.byte_pair_graph import GraphBytePair
from tests.text.hostile_texts import HOSTILE, generated_texts, real_lines

# TensorFlow alone has to be enough.
SERVE = """
import json, sys
sys.modules.update(dict.fromkeys(["kpt", "tokenizers", "tensorflow_text"]))
import tensorflow as tf
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
result = serve(texts=tf.constant(json.loads(sys.stdin.read())))
print(json.dumps([result["values"].numpy().tolist(), [text.decode() for text in result["texts"].numpy()]]))
"""


@pytest.fixture(scope="module")
def tokenizer() -> BytePairTokenizer:
    return BytePairTokenizer.train([*real_lines(), *HOSTILE * 3], 1500)


@pytest.fixture(scope="module")
def graph(tokenizer: BytePairTokenizer) -> GraphBytePair:
    return tokenizer.in_graph()


def check(tokenizer: BytePairTokenizer, graph: GraphBytePair, texts: list[str] | list[bytes]) -> None:
    """The ids are those of `encode`, and the bytes come back."""
    ids, offline = graph(tf.constant(texts, tf.string)), tokenizer.encode(texts)
    assert ids.row_splits.numpy().tolist() == offline.row_splits.tolist()
    wrong = np.flatnonzero(ids.values.numpy() != offline.values)[:1]
    assert not wrong.size, ascii(texts[int(np.searchsorted(offline.row_splits, wrong[0], side="right")) - 1])
    assert graph.detokenize(ids).numpy().tolist() == [t if isinstance(t, bytes) else t.encode() for t in texts]


def test_hostile_and_real_text(tokenizer: BytePairTokenizer, graph: GraphBytePair) -> None:
    check(tokenizer, graph, [*HOSTILE, *generated_texts(2, 2000), *real_lines()[::5]])


def test_words_begin_where_the_pattern_says(tokenizer: BytePairTokenizer, graph: GraphBytePair) -> None:
    generator = random.Random(2)
    characters = " '  \n\t\x85\xa0\u3000aéstrevlmd7½!,\x1c\x00’中"
    check(tokenizer, graph, ["".join(generator.choices(characters, k=generator.randrange(12))) for _ in range(20_000)])


def test_any_bytes(tokenizer: BytePairTokenizer, graph: GraphBytePair) -> None:
    generator = random.Random(3)
    some = b"\xe2\x82\xac\xf0\x9f\x98\x80\xed\xa0\xc0\xaf\xff ' as7\n!"
    mixed = [bytes(generator.choices(some, k=generator.randrange(12))) for _ in range(5000)]
    anything = [bytes(generator.choices(range(256), k=generator.randrange(20))) for _ in range(5000)]
    check(tokenizer, graph, [*mixed, *anything, bytes(range(256)), "é".encode()[:1]])


def test_no_texts_and_empty_ones(tokenizer: BytePairTokenizer, graph: GraphBytePair) -> None:
    for texts in ([], [""], ["", "a", "", ""]):
        check(tokenizer, graph, texts)
    assert graph(tf.constant([], tf.string)).dtype == tf.int32


def test_a_tokenizer_without_merges() -> None:
    tokenizer = BytePairTokenizer.train(["a"], 257)
    check(tokenizer, tokenizer.in_graph(), [*HOSTILE[:12], "ab"])


def test_pieces_that_are_not_what_their_text_becomes() -> None:
    trained = BytePairTokenizer.train(["a"], 257)
    tokens = [*trained.vocabulary.tokens, "ab", "bc", "abc", "zz"]
    merges = [("b", "c"), ("a", "b"), ("ab", "c")]  # "abc" becomes "a" + "bc"; nothing makes "zz"
    tokenizer = BytePairTokenizer(type(trained.vocabulary).from_tokens(tokens, {"end": "<|endoftext|>"}), merges)
    check(tokenizer, tokenizer.in_graph(), ["abc", "zz", "ab", "aabcc"])
    assert tokenizer.encode(["abc"]).values.tolist() == [tokens.index("a"), tokens.index("bc")]


def test_ids_become_bytes_and_special_tokens_text_or_nothing(
    tokenizer: BytePairTokenizer, graph: GraphBytePair
) -> None:
    end = tokenizer.vocabulary.end_id
    euro = tokenizer.encode([b"\xe2", b"\x82\xac"])
    rows = [[*euro.row(0), *euro.row(1), end], [*euro.row(0), end, end][: len(euro.values) + 1]]
    ragged = tf.ragged.constant(rows, tf.int32)
    assert graph.detokenize(ragged).numpy().tolist() == [b"\xe2\x82\xac<|endoftext|>", b"\xe2" + b"<|endoftext|>" * 2]
    dense = ragged.to_tensor(end)
    assert graph.detokenize(dense, skip_special_tokens=True).numpy().tolist() == [b"\xe2\x82\xac", b"\xe2"]
    assert graph.detokenize(tf.zeros([2, 0], tf.int64)).numpy().tolist() == [b"", b""]
    assert tokenizer.decode(rows[1]) == "\ufffd<|endoftext|><|endoftext|>"
    assert tokenizer.decode(rows[1], skip_special_tokens=True) == "\ufffd"


def test_a_saved_model_serves_without_kpt(tokenizer: BytePairTokenizer, tmp_path: Path) -> None:
    module = tf.Module()
    module.graph = tokenizer.in_graph()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def serve(texts: tf.Tensor) -> dict[str, tf.Tensor]:
        ids = module.graph(texts)
        return {"values": ids.values, "texts": module.graph.detokenize(ids)}

    tf.saved_model.save(module, str(tmp_path), signatures=serve)
    texts = [*HOSTILE, *generated_texts(4, 200)]
    result = subprocess.run(
        [sys.executable, "-c", SERVE, str(tmp_path)],
        input=json.dumps(texts),
        env={**os.environ, "LC_ALL": "tr_TR.UTF-8", "PYTHONUTF8": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    values, again = json.loads(result.stdout.splitlines()[-1])
    assert values == tokenizer.encode(texts).values.tolist()
    assert again == texts
