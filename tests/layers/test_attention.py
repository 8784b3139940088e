from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import kpt.layers.attention
from kpt.errors import InputError
from kpt.layers import RotaryPositions, SelfAttention, scaled_dot_product_attention, watched_attention
from tests import reference
from tests.numbers import array, gradients, normal, randomize

BATCH, LENGTH, HEADS, DEPTH = 2, 5, 3, 4
QUERY, KEY, VALUE = (normal(BATCH, LENGTH, HEADS, DEPTH, seed=seed) for seed in (1, 2, 3))
PADDING = np.array([[True] * 5, [True, True, True, False, False]])[:, None, None, :]
CAUSAL = np.tril(np.ones((LENGTH, LENGTH), bool))[None, None]
KEEP = np.random.default_rng(4).random((BATCH, HEADS, LENGTH, LENGTH)) > 0.25

MASKS = {
    "none": (None, False, None),
    "padding": (PADDING, False, PADDING),
    "causal": (None, True, CAUSAL),
    "both": (PADDING, True, PADDING & CAUSAL),
}


@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("drops", [False, True], ids=["fused", "dropout"])
def test_attention_is_the_papers(kind: str, drops: bool) -> None:
    mask, causal, visible = MASKS[kind]
    dropout = (lambda p: p * ops.convert_to_tensor(KEEP / 0.75, dtype="float32")) if drops else None
    result = scaled_dot_product_attention(
        *map(ops.convert_to_tensor, (QUERY, KEY, VALUE)), mask=mask, causal=causal, dropout=dropout
    )
    expected = reference.attention(QUERY, KEY, VALUE, visible, KEEP if drops else None, 0.25)
    np.testing.assert_allclose(array(result), expected, atol=2e-6)


def test_by_hand() -> None:
    # One query [2] against keys [0] and [log 3 / 2]: the weights are 1/4 and 3/4.
    query, key = np.array([2.0]), np.array([0.0, np.log(3) / 2])
    result = scaled_dot_product_attention(
        query.reshape(1, 1, 1, 1).astype("float32"),
        key.reshape(1, 2, 1, 1).astype("float32"),
        np.array([4.0, 8.0]).reshape(1, 2, 1, 1).astype("float32"),
    )
    assert array(result).ravel().tolist() == pytest.approx([7.0])


@pytest.mark.parametrize("drops", [False, True], ids=["fused", "dropout"])
def test_a_row_that_sees_nothing_gets_the_mean_of_the_values(drops: bool) -> None:
    mask = np.array([[True] * 5, [False] * 5])[:, None, None, :]
    dropout = (lambda p: p) if drops else None
    result = array(
        scaled_dot_product_attention(*map(ops.convert_to_tensor, (QUERY, KEY, VALUE)), mask, dropout=dropout)
    )
    mean = VALUE[1].astype("float64").mean(axis=0, keepdims=True)
    np.testing.assert_allclose(result[1], np.broadcast_to(mean, result[1].shape), atol=2e-6)


@pytest.mark.parametrize("drops", [False, True], ids=["fused", "dropout"])
def test_bfloat16_stays_bfloat16(drops: bool) -> None:
    query, key, value = (ops.cast(ops.convert_to_tensor(x), "bfloat16") for x in (QUERY, KEY, VALUE))
    result = scaled_dot_product_attention(query, key, value, mask=PADDING, dropout=(lambda p: p) if drops else None)
    assert keras.backend.standardize_dtype(result.dtype) == "bfloat16"
    np.testing.assert_allclose(array(result), reference.attention(QUERY, KEY, VALUE, PADDING), atol=0.05)


X = normal(BATCH, LENGTH, 12)
MASK = PADDING[:, 0, 0]


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("causal", [False, True])
def test_self_attention_is_the_reference(causal: bool, use_bias: bool) -> None:
    layer = SelfAttention(HEADS, causal=causal, use_bias=use_bias)
    layer.build(X.shape)
    weights = randomize(layer)
    assert {path: value.shape for path, value in weights.items()} == {
        "qkv/kernel": (12, 36),
        "output/kernel": (12, 12),
        **({"qkv/bias": (36,), "output/bias": (12,)} if use_bias else {}),
    }
    visible = MASK[:, None] & CAUSAL[0] if causal else MASK[:, None]
    expected = reference.self_attention(X.astype("float64"), weights, HEADS, visible)
    np.testing.assert_allclose(array(layer(X, attention_mask=MASK)), expected, atol=5e-6)
    np.testing.assert_allclose(array(layer(X, attention_mask=MASK[:, None, None])), expected, atol=5e-6)


@pytest.mark.parametrize("drops", [False, True], ids=["fused", "dropout"])
@pytest.mark.parametrize("shared", [1, 2])
def test_heads_that_share_keys_are_the_reference(shared: int, drops: bool) -> None:
    query = normal(BATCH, LENGTH, 6, DEPTH, seed=5)
    key, value = KEY[:, :, :shared], VALUE[:, :, :shared]
    result = scaled_dot_product_attention(
        *map(ops.convert_to_tensor, (query, key, value)),
        mask=PADDING,
        causal=True,
        dropout=(lambda p: p) if drops else None,
    )
    repeated = (np.repeat(each, 6 // shared, axis=2) for each in (key, value))
    np.testing.assert_allclose(array(result), reference.attention(query, *repeated, PADDING & CAUSAL), atol=2e-6)


def test_grouped_self_attention_is_the_reference() -> None:
    layer = SelfAttention(6, causal=True, key_value_heads=2)
    layer.build(X.shape)
    weights = randomize(layer)
    assert weights["qkv/kernel"].shape == (12, 6 * 2 + 2 * 2 * 2)
    expected = reference.self_attention(X.astype("float64"), weights, 6, CAUSAL[0], rotary=True, shared=2)
    rotations = RotaryPositions(2)(X[..., 0].astype("int32"))
    np.testing.assert_allclose(array(layer(X, rotations=rotations)), expected, atol=5e-6)


def test_rotary_self_attention_is_the_reference() -> None:
    layer = SelfAttention(HEADS)
    layer.build(X.shape)
    expected = reference.self_attention(X.astype("float64"), randomize(layer), HEADS, rotary=True)
    rotations = RotaryPositions(12 // HEADS)(X[..., 0].astype("int32"))
    np.testing.assert_allclose(array(layer(X, rotations=rotations)), expected, atol=5e-6)


def test_dropout_never_forces_the_slow_path_at_inference(monkeypatch: pytest.MonkeyPatch) -> None:
    fused = ops.dot_product_attention
    calls: list[str] = []

    def spy(*args: Any, **kwargs: Any) -> Any:
        calls.append("fused")
        return fused(*args, **kwargs)

    monkeypatch.setattr(kpt.layers.attention.ops, "dot_product_attention", spy)
    fused_once = [] if keras.backend.backend() == "tensorflow" else ["fused"]  # it has no fused kernel
    layer = SelfAttention(HEADS, dropout=0.5)
    layer.build(X.shape)
    randomize(layer)
    inference = array(layer(X, attention_mask=MASK, training=False))
    assert calls == fused_once
    np.testing.assert_array_equal(array(layer(X, attention_mask=MASK)), inference)
    assert calls == fused_once * 2
    training = array(layer(X, attention_mask=MASK, training=True))
    assert calls == fused_once * 2
    assert np.abs(training - inference).max() > 0.1

    without = SelfAttention(HEADS, dropout=0.0)
    without(X, training=True)
    assert calls == fused_once * 3


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_gradients_are_finite_in_bfloat16_with_rows_of_padding_alone(dropout: float) -> None:
    layer = SelfAttention(HEADS, dropout=dropout, dtype="mixed_bfloat16")
    layer.build(X.shape)
    randomize(layer)
    mask = np.array([[False] * 5, [True, True, False, False, False]])

    def loss() -> Any:
        return ops.sum(ops.square(ops.cast(layer(X, attention_mask=mask, training=True), "float32")))

    assert np.isfinite(array(loss()))
    for gradient in gradients(loss, layer.trainable_variables):
        assert np.isfinite(array(gradient)).all() and np.abs(array(gradient)).max() > 0


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(InputError, match="5 heads do not divide a width of 12; choose a divisor of 12"):
        SelfAttention(5).build(X.shape)


def test_output_scale_scales_the_initial_weights() -> None:
    layer = SelfAttention(4, output_scale=0.5)
    layer.build((None, None, 256))
    assert float(np.std(array(layer.qkv.kernel))) == pytest.approx(0.0176, rel=0.02)  # a normal 0.02 cut at 2 sigma
    assert float(np.std(array(layer.output_projection.kernel))) == pytest.approx(0.0088, rel=0.02)


@pytest.mark.parametrize("causal", [False, True])
def test_the_weights_are_told_on_request(causal: bool) -> None:
    layer = SelfAttention(6, causal=causal, key_value_heads=2, dropout=0.5)
    layer.build(X.shape)
    weights = randomize(layer)
    before, told = array(layer(X, attention_mask=MASK)), []
    with watched_attention(layer, told.append):
        during = array(layer(X, attention_mask=MASK))
    np.testing.assert_allclose(during, before, atol=5e-6)
    (found,) = map(array, told)
    visible = MASK[:, None] & CAUSAL[0] if causal else np.broadcast_to(MASK[:, None], (BATCH, LENGTH, LENGTH))
    np.testing.assert_allclose(found, reference.attention_weights(X, weights, 6, visible, shared=2), atol=2e-6)
    np.testing.assert_allclose(found.sum(axis=-1), 1.0, atol=1e-6)
    assert (found[np.broadcast_to(~visible[:, None], found.shape)] == 0).all()  # padding, and what comes later
    layer(X, attention_mask=MASK)
    assert len(told) == 1 and layer.watch is None


def test_the_watch_ends_with_an_error_and_finds_every_layer() -> None:
    layer = SelfAttention(3)
    with pytest.raises(ZeroDivisionError), watched_attention(layer, lambda _: 1 / 0):
        layer(X)
    assert layer.watch is None
    with (
        pytest.raises(InputError, match="a Dense has no attention to look at"),
        watched_attention(keras.layers.Dense(2), print),
    ):
        pass
