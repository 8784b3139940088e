from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf

import kpt
from kpt.export.causal_signatures import ServedDecoder
from kpt.text import CharacterTokenizer
from tests.export.causal_reference import LENGTH, PROMPTS, TEXT, ask, byte_pairs, causal_pretrainer


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return byte_pairs()


@pytest.fixture(scope="module")
def pretrainer(tokenizer: Any) -> Any:
    return causal_pretrainer(tokenizer.vocabulary.size)


@pytest.fixture(scope="module")
def served(pretrainer: Any, tokenizer: Any) -> ServedDecoder:
    return ServedDecoder(pretrainer, tokenizer, LENGTH)


@pytest.fixture(scope="module")
def serve(served: ServedDecoder) -> Any:
    return served.functions["serving_default"]


def test_greedy_texts_are_the_models_own(serve: Any, pretrainer: Any, tokenizer: Any) -> None:
    texts = ask(serve, PROMPTS)
    assert texts == kpt.generate(pretrainer, tokenizer, PROMPTS, max_new_tokens=8)
    assert len(set(texts)) > 3
    assert [ask(serve, [prompt])[0] for prompt in PROMPTS[:3]] == texts[:3]


def test_drawn_texts_are_the_models_own(serve: Any, pretrainer: Any, tokenizer: Any) -> None:
    settings: dict[str, Any] = {"temperature": 1.5, "top_k": 9, "top_p": 0.9, "seed": 3}
    texts = ask(serve, PROMPTS, **settings)
    assert texts == kpt.generate(pretrainer, tokenizer, PROMPTS, max_new_tokens=8, **settings)
    other = ask(serve, PROMPTS, **{**settings, "seed": 4})
    assert other != texts


def test_no_prompts_and_settings_for_each_prompt(serve: Any) -> None:
    assert ask(serve, []) == []
    assert ask(serve, PROMPTS[:2], [8, 8], temperature=[0.0, 0.0]) == ask(serve, PROMPTS[:2])


def test_all_positions_can_be_used(serve: Any, tokenizer: Any) -> None:
    size = len(tokenizer.encode(["the cat"]).values)
    assert ask(serve, ["the cat"], LENGTH - size)[0].startswith(ask(serve, ["the cat"])[0])
    with pytest.raises(tf.errors.InvalidArgumentError, match="together are over the 40 positions of the model"):
        ask(serve, ["the cat"], LENGTH - size + 1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="together are over the 40 positions of the model"):
        ask(serve, ["a", "x " * 50], 1)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"new": 0}, "max_new_tokens is out of its range; give 1 or more"),
        ({"temperature": -1.0}, "temperature is out of its range; give 0 for the most probable token or a positive"),
        ({"temperature": float("nan")}, "temperature is out of its range"),
        ({"top_k": -1}, "top_k is out of its range; give the number of tokens to draw from, or 0 for all"),
        ({"top_p": 0.0}, "top_p is out of its range; give a probability above 0"),
        ({"seed": -1}, "seed is out of its range"),
        ({"top_k": [1, 2]}, "top_k has no value or several that differ"),
    ],
)
def test_settings_out_of_range_are_errors(serve: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        ask(serve, ["a"], **settings)


def test_weights_are_tracked_once_and_there_is_no_xla(served: ServedDecoder, pretrainer: Any) -> None:
    assert len(served.weights) == len({id(weight) for weight in served.weights}) == len(pretrainer.backbone.weights)
    for function in served.functions.values():
        graph = function.graph.as_graph_def()
        nodes = [*graph.node, *(node for inner in graph.library.function for node in inner.node_def)]
        assert not {node.op for node in nodes if node.op.startswith("Xla") or "PyFunc" in node.op}
        assert not any(node.attr["_XlaMustCompile"].b for node in nodes)


def test_a_modern_decoder_without_an_end_of_text() -> None:
    tokenizer = CharacterTokenizer.train(TEXT, end_token=False)
    options: dict[str, Any] = {"positions": "rotary", "normalization": "rms_norm", "key_value_heads": 1, "tied": False}
    pretrainer = causal_pretrainer(tokenizer.vocabulary.size, gated=True, **options)
    serve = ServedDecoder(pretrainer, tokenizer, LENGTH).functions["serving_default"]
    prompts = ["cat", "the mat"]
    assert ask(serve, prompts, 9) == kpt.generate(pretrainer, tokenizer, prompts, max_new_tokens=9)
    with pytest.raises(tf.errors.InvalidArgumentError, match="a prompt is empty and the tokenizer has no end of text"):
        ask(serve, ["cat", ""])
