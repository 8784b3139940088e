from __future__ import annotations

import pytest

from kpt.models import activation_bytes, bert_config, decoder_config, gpt2_config, training_flops

STEP = {"batch": 16, "length": 128, "predictions": 20, "vocabulary": 2000}


def test_operations_are_those_of_the_matrix_products() -> None:
    # By hand: 2 blocks of 12 * 128**2 weights and 4 * 128 * 128 a token of attention, 320 predictions, a pooler.
    forward = 2 * 2048 * (2 * 12 * 128**2 + 4 * 128 * 128) + 2 * 320 * 2000 * 128
    assert training_flops({"depth": 2, "width": 128, "heads": 2}, **STEP) == 3 * forward
    encoder = {"depth": 2, "width": 128, "heads": 2, "norm_first": False, "pooler": True}
    assert training_flops(encoder, **STEP) == 3 * (forward + 2 * (320 + 16) * 128**2)


def test_what_is_computed_again_counts_once_more_unless_the_model_alone_is_asked_for() -> None:
    config = gpt2_config("tiny")
    blocks = 2 * 2048 * (2 * 12 * 128**2 + 4 * 128 * 128)
    plain = training_flops(config, **STEP)
    assert training_flops(config | {"remat": True}, **STEP) == plain + blocks
    assert training_flops(config | {"remat": True}, **STEP, remat=False) == plain


def test_gpt2_takes_about_six_operations_a_parameter_and_token() -> None:
    flops = training_flops(gpt2_config("small"), batch=1, length=1024, predictions=1024, vocabulary=50257)
    # 124 million weights, of which positions take no part, and attention's 12 * 12 * 768 * 1024 a token.
    assert flops / 1024 == pytest.approx(6 * (124.4e6 - 0.8e6) + 12 * 12 * 768 * 1024, rel=0.002)


def test_grouped_heads_and_gates_count() -> None:
    config = {"depth": 1, "width": 64, "heads": 4, "key_value_heads": 1, "gated": True, "feed_forward_width": 100}
    weights = 64 * (64 + 2 * 16) + 64**2 + 3 * 64 * 100
    forward = 10 * (2 * weights + 4 * 10 * 64) + 2 * 10 * 50 * 64
    assert training_flops(config, batch=1, length=10, predictions=10, vocabulary=50) == 3 * forward


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_activations_grow_with_the_batch_and_remat_keeps_one_block(backend: str) -> None:
    config = bert_config("base")
    one = activation_bytes(config, **STEP, backend=backend)
    assert activation_bytes(config, **STEP | {"batch": 32}, backend=backend) == pytest.approx(2 * one)
    assert activation_bytes(config | {"remat": True}, **STEP, backend=backend) < one / 4
    assert activation_bytes(config, **STEP, backend=backend, bytes=2) == pytest.approx(one / 2, rel=0.02)
    assert activation_bytes(decoder_config("small"), **STEP, backend=backend) < 1.15 * one
