from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import kpt
from kpt.export.tag_signatures import ServedTagger, entity_outputs
from kpt.export.task_signatures import task_notes
from kpt.tasks import Tagger
from kpt.text.word_spans_graph import graph_word_spans
from tests.batches import tiny_decoder, tiny_encoder
from tests.export.causal_reference import byte_pairs
from tests.export.reference import HOSTILE, tiny_tokenizer
from tests.numbers import randomize

LENGTH = 24
LABELS = ("O", "B-x", "I-x", "B-y", "I-y")
TEXTS = [*HOSTILE, "The cat sat, lower; the lowest \u200d👩 cafe\u0301 mat.", "\x07 cat"]


def told(outputs: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """The entities of each text as `Tagger.tell` has them."""
    values = {name: value.numpy() for name, value in outputs.items()}
    return [
        [
            {
                "type": values["types"][row, i].decode(),
                "text": values["entities"][row, i].decode(),
                "begin": int(values["begins"][row, i]),
                "end": int(values["ends"][row, i]),
                "probability": pytest.approx(float(values["probabilities"][row, i]), abs=1e-4),
            }
            for i in range(values["entity_count"][row])
        ]
        for row in range(len(values["entity_count"]))
    ]


def tagger(backbone: Any, tokenizer: Any) -> Tagger:
    """A tagger whose weights are large and different, and that tells each tag of some word."""
    model = Tagger(backbone, LABELS, tokenizer=tokenizer)
    randomize(model)
    model.head.bias.assign(model.head.bias - np.concatenate(model.predict(TEXTS)).mean(axis=0))
    return model


def assert_told(model: Tagger, function: Any) -> None:
    wanted = [each["entities"] for each in model.tell(TEXTS)]
    assert sum(map(len, wanted)) > 20 and {each["type"] for some in wanted for each in some} == {"x", "y"}
    assert told(function(texts=tf.constant(TEXTS))) == wanted
    for texts in ([], [""], ["", "the cat"]):
        assert {value.shape[0] for value in function(texts=tf.constant(texts, tf.string)).values()} == {len(texts)}
    nothing = function(texts=tf.constant([""]))
    assert {value.shape for name, value in nothing.items() if name != "entity_count"} == {(1, 1)}


def test_a_saved_tagger_serves_what_it_tells(tmp_path: Path) -> None:
    model = tagger(tiny_encoder(vocabulary_size=60, maximum_length=LENGTH), tiny_tokenizer())
    path = kpt.export.saved_model(model, model.tokenizer, tmp_path)
    loaded = tf.saved_model.load(str(path))
    assert_told(model, loaded.signatures["serving_default"])
    assert task_notes(model) == {"kind": "tagger", "labels": list(LABELS)}


def test_words_of_byte_pairs_have_their_space() -> None:
    tokenizer = byte_pairs()
    model = tagger(tiny_decoder(vocabulary_size=tokenizer.vocabulary.size, maximum_length=LENGTH), tokenizer)
    assert_told(model, ServedTagger(model, tokenizer, LENGTH).functions["serving_default"])


def test_entities_are_read_as_conll_does() -> None:
    texts = tf.constant(["a b c d", "e f", "g"])
    tags = [LABELS.index(tag) for tag in ("I-x", "I-x", "B-x", "I-y", "I-y", "O", "O")]
    chances = tf.constant([0.9, 0.5, 0.7, 0.6, 0.8, 0.1, 0.1])
    outputs = entity_outputs(texts, graph_word_spans(texts), tf.constant(tags), chances, LABELS)
    assert outputs["entity_count"].numpy().tolist() == [3, 1, 0]
    assert outputs["types"].numpy().astype(str).tolist() == [["x", "x", "y"], ["y", "", ""], ["", "", ""]]
    assert outputs["entities"].numpy().astype(str).tolist()[:2] == [["a b", "c", "d"], ["e", "", ""]]
    assert outputs["begins"].numpy().tolist() == [[0, 4, 6], [0, 0, 0], [0, 0, 0]]
    assert outputs["ends"].numpy().tolist() == [[3, 5, 7], [1, 0, 0], [0, 0, 0]]
    np.testing.assert_allclose(outputs["probabilities"][0], [0.5, 0.7, 0.6])
