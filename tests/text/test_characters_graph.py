from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from kpt.text.characters import CharacterTokenizer
from tests.text.hostile_texts import HOSTILE, generated_texts

TEXTS = [*HOSTILE, *generated_texts(8, 1000)]
# TensorFlow alone has to be enough.
SERVE = """
import json, sys
sys.modules.update(dict.fromkeys(["kpt", "tokenizers", "tensorflow_text"]))
import tensorflow as tf
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
result = serve(texts=tf.constant(json.loads(sys.stdin.read())))
print(json.dumps([result["values"].numpy().tolist(), [text.decode() for text in result["texts"].numpy()]]))
"""


def test_ids_and_texts_are_those_outside_the_graph() -> None:
    tokenizer = CharacterTokenizer.train(HOSTILE, end_token=True, unknown_token=True)
    graph = tokenizer.in_graph()
    ids, offline = graph(tf.constant(TEXTS)), tokenizer.encode(TEXTS)
    assert ids.values.numpy().tolist() == offline.values.tolist()
    assert ids.row_splits.numpy().tolist() == offline.row_splits.tolist()
    for skip in (False, True):
        texts = [tokenizer.decode(offline.row(i), skip_special_tokens=skip) for i in range(len(TEXTS))]
        assert [t.decode() for t in graph.detokenize(ids, skip_special_tokens=skip).numpy()] == texts
    assert ids.dtype == tf.int32
    assert graph(tf.constant([], tf.string)).to_list() == []


def test_invalid_utf8_is_a_replacement_character() -> None:
    graph = CharacterTokenizer.train(["ab\ufffd"]).in_graph()
    assert graph(tf.constant([b"a\xffb", b"\xe2"])).to_list() == [[0, 2, 1], [2]]


def test_without_an_unknown_token_unknown_characters_are_refused() -> None:
    graph = CharacterTokenizer.train(["ab"]).in_graph()
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"has no id and the tokenizer no unknown token.*\n?.*233"):
        graph(tf.constant(["ab", "é"]))


def test_a_saved_model_serves_without_kpt(tmp_path: Path) -> None:
    tokenizer = CharacterTokenizer.train(HOSTILE)
    module = tf.Module()
    module.graph = tokenizer.in_graph()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def serve(texts: tf.Tensor) -> dict[str, tf.Tensor]:
        ids = module.graph(texts)
        return {"values": ids.values, "texts": module.graph.detokenize(ids)}

    tf.saved_model.save(module, str(tmp_path), signatures=serve)
    result = subprocess.run(
        [sys.executable, "-c", SERVE, str(tmp_path)],
        input=json.dumps(HOSTILE),
        env={**os.environ, "PYTHONUTF8": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    values, again = json.loads(result.stdout.splitlines()[-1])
    assert values == tokenizer.encode(HOSTILE).values.tolist()
    assert again == HOSTILE
