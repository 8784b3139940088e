from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from kpt.text.sentencepiece import SentencePieceTokenizer
from tests.text.hostile_texts import HOSTILE, generated_texts, real_lines

LINES = real_lines()[:3000]
TEXTS = [*HOSTILE, *generated_texts(11, 1000), *LINES]
# TensorFlow and TensorFlow Text have to be enough.
SERVE = """
import json, sys
sys.modules.update(dict.fromkeys(["kpt", "sentencepiece", "tokenizers"]))
import tensorflow as tf
import tensorflow_text
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
result = serve(texts=tf.constant(json.loads(sys.stdin.read())))
print(json.dumps([result["values"].numpy().tolist(), [text.decode() for text in result["texts"].numpy()]]))
"""


@pytest.fixture(scope="module", params=["unigram", "bpe"])
def tokenizer(request: pytest.FixtureRequest) -> SentencePieceTokenizer:
    return SentencePieceTokenizer.train(LINES, 800, algorithm=request.param)


@pytest.mark.parametrize(("dummy_prefix", "collapse_spaces"), [(False, False), (True, False), (True, True)])
def test_ids_and_texts_are_those_outside_the_graph(
    tokenizer: SentencePieceTokenizer, dummy_prefix: bool, collapse_spaces: bool
) -> None:
    model = dataclasses.replace(tokenizer.model, dummy_prefix=dummy_prefix, collapse_spaces=collapse_spaces)
    other = SentencePieceTokenizer(model)
    graph = other.in_graph()
    ids, offline = graph(tf.constant(TEXTS)), other.encode(TEXTS)
    assert ids.dtype == tf.int32
    assert ids.values.numpy().tolist() == offline.values.tolist()
    assert ids.row_splits.numpy().tolist() == offline.row_splits.tolist()
    texts = [other.decode(offline.row(i)) for i in range(len(TEXTS))]
    assert [text.decode() for text in graph.detokenize(ids).numpy()] == texts
    for few in ([], [""], ["", "a", ""]):
        assert graph(tf.constant(few, tf.string)).to_list() == [
            other.encode(few).row(i).tolist() for i in range(len(few))
        ]


def test_special_tokens_and_half_characters(tokenizer: SentencePieceTokenizer) -> None:
    graph, vocabulary = tokenizer.in_graph(), tokenizer.vocabulary
    half = tokenizer.encode(["\U0001f9ff"]).values.tolist()[:2]
    ids = tf.ragged.constant([[*half, vocabulary.end_id], []], tf.int32)
    assert graph.detokenize(ids).numpy().tolist() == [b"\xf0\x9f<|endoftext|>", b""]
    dense = ids.to_tensor(vocabulary.pad_id)
    assert graph.detokenize(dense, skip_special_tokens=True).numpy().tolist() == [b"\xf0\x9f", b""]


def test_invalid_utf8_is_a_replacement_character(tokenizer: SentencePieceTokenizer) -> None:
    ids = tokenizer.in_graph()(tf.constant([b"a\xff b"]))
    assert ids.to_list() == [tokenizer.encode(["a\ufffd b"]).values.tolist()]


def test_a_saved_model_serves_without_kpt(tokenizer: SentencePieceTokenizer, tmp_path: Path) -> None:
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
        env={**os.environ, "LC_ALL": "tr_TR.UTF-8", "PYTHONUTF8": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    values, again = json.loads(result.stdout.splitlines()[-1])
    assert values == tokenizer.encode(HOSTILE).values.tolist()
    assert again == HOSTILE
