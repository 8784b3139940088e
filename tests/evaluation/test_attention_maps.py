from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from kpt.errors import InputError
from kpt.evaluation.attention_maps import attention_maps
from kpt.models import Decoder, Encoder
from kpt.objectives import CausalLM, Pretrainer
from kpt.tasks import Classifier
from tests import reference
from tests.numbers import randomize
from tests.tasks.small_task import small_encoder, small_tokenizer

TEXT = "a good end and a bad end"
TOKENIZER = small_tokenizer()
SIZE = TOKENIZER.vocabulary.size
DECODER = {"width": 16, "depth": 2, "heads": 4, "maximum_length": 32, "dropout": 0.0}


def ids_of(*texts: str) -> np.ndarray:
    roles = TOKENIZER.vocabulary.roles
    parts = [[roles["cls"]]] + [[*TOKENIZER.encode([text]).values.tolist(), roles["sep"]] for text in texts]
    return np.array([[token for part in parts for token in part]])


def expected_maps(x: np.ndarray, weights: Any, visible: np.ndarray, norm_first: bool, **options: Any) -> np.ndarray:
    """The weights of two blocks in float64, [layers, heads, tokens, tokens]."""
    maps, shared = [], options.get("shared")
    for index in range(2):
        block = reference.below(weights, f"block_{index}")
        norm, epsilon = reference.below(block, "attention_norm"), options["epsilon"]
        read = reference.layer_norm(x, **norm, epsilon=epsilon) if norm_first else x
        attention = reference.below(block, "attention")
        maps.append(reference.attention_weights(read, attention, 4, visible, options["rotary"], shared)[0])
        x = reference.encoder_block(x, block, 4, visible, norm_first, **options)
    return np.stack(maps)


def test_an_encoders_weights_are_the_papers() -> None:
    encoder = Encoder(SIZE, width=16, depth=2, heads=4, maximum_length=32, dropout=0.0)
    weights = randomize(encoder)
    found = attention_maps(encoder, "a good end", TEXT, tokenizer=TOKENIZER)
    assert found.pieces == ["[CLS]", "a", "good", "end", "[SEP]", *TEXT.split(), "[SEP]"]
    assert (found.read, found.cut, found.note()) == (13, 0, "")
    ids, segments = ids_of("a good end", TEXT), np.array([[0] * 5 + [1] * 8])
    x = weights["token_embedding/embeddings"][ids] + weights["positions/embeddings"][: ids.shape[1]]
    x = reference.layer_norm(
        x + weights["segment_embedding/embeddings"][segments], **reference.below(weights, "embedding_norm")
    )
    visible = np.ones((1, 1, 13), bool)
    expected = expected_maps(x, weights, visible, False, epsilon=1e-12, rotary=False)
    np.testing.assert_allclose(found.weights, expected, atol=1e-5)
    np.testing.assert_allclose(found.weights.sum(axis=-1), 1.0, atol=1e-6)


def test_a_decoders_weights_are_the_papers_and_see_nothing_later() -> None:
    decoder = Decoder(SIZE, **DECODER, key_value_heads=2, positions="rotary")
    weights = randomize(decoder)
    model = Pretrainer(decoder, [CausalLM()])
    found = attention_maps(model, TEXT, tokenizer=TOKENIZER)
    x = weights["token_embedding/embeddings"][ids_of(TEXT)]
    visible = np.tril(np.ones((1, 9, 9), bool))
    options = {"epsilon": 1e-5, "rotary": True, "activation": reference.gelu_tanh, "shared": 2}
    np.testing.assert_allclose(found.weights, expected_maps(x, weights, visible, True, **options), atol=1e-5)
    np.testing.assert_allclose(found.weights.sum(axis=-1), 1.0, atol=1e-6)
    assert (found.weights[..., ~visible[0]] == 0).all() and (found.weights[..., visible[0]] > 0).all()


def test_a_task_models_long_text_is_cut_with_a_note() -> None:
    model = Classifier(small_encoder(TOKENIZER, depth=2), ["neg", "pos"], tokenizer=TOKENIZER, length=16, windows=2)
    before = model.predict([TEXT])
    found = attention_maps(model, " ".join([TEXT] * 4), tokens=5)
    assert found.pieces == ["[CLS]", *TEXT.split()[:4]] and found.weights.shape == (2, 2, 5, 5)
    assert (found.read, found.cut) == (16, 4 * 7 - 14)
    assert found.note() == (
        "The first 5 of 16 tokens are shown; what a row has beyond them is left out of it. "
        "The model reads 16 tokens, and not the 14 after them."
    )
    whole = attention_maps(model, " ".join([TEXT] * 4))
    np.testing.assert_array_equal(found.weights, whole.weights[..., :5, :5])
    np.testing.assert_allclose(whole.weights.sum(axis=-1), 1.0, atol=1e-6)
    # Nothing stays behind in the model.
    np.testing.assert_array_equal(model.predict([TEXT]), before)


def test_one_map_is_chosen_and_shared_blocks_are_told_each_time() -> None:
    encoder = Encoder(SIZE, width=8, depth=3, heads=2, segments=0, dropout=0.0, shared_blocks=True)
    found = attention_maps(encoder, TEXT, tokenizer=TOKENIZER)
    assert found.weights.shape == (3, 2, 9, 9)
    np.testing.assert_array_equal(found.map(2, 1), found.weights[1, 0])
    np.testing.assert_array_equal(found.map(1), found.weights[0].mean(axis=0))
    np.testing.assert_array_equal(found.map(), found.map(3))
    for choice, message in (
        ((4, 1), "no layer 4; the model has layers 1 to 3"),
        ((1, 0), "no head 0; .* heads 1 to 2"),
    ):
        with pytest.raises(InputError, match=message):
            found.map(*choice)


def test_refusals() -> None:
    encoder = small_encoder(TOKENIZER)
    for text, options, message in (
        (" ", {"tokenizer": TOKENIZER}, "the text ' ' has no token"),
        (TEXT, {}, "the model has no tokenizer"),
        (TEXT, {"tokenizer": TOKENIZER, "tokens": 0}, "tokens is 0"),
    ):
        with pytest.raises(InputError, match=message):
            attention_maps(encoder, text, **options)
    with pytest.raises(InputError, match="a Dense has no attention to look at"):
        attention_maps(keras.layers.Dense(2), TEXT, tokenizer=TOKENIZER)
