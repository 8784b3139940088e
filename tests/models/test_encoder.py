from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from kpt.errors import InputError
from kpt.models import Encoder
from tests import reference
from tests.batches import LENGTH, inputs_of, random_batch, tiny_encoder
from tests.numbers import array, gradients, randomize

INPUTS = inputs_of(random_batch())


def test_bert_in_numpy() -> None:
    encoder = tiny_encoder(dropout=0.5)
    weights = randomize(encoder)
    sequence, pooled = reference.encoder(*inputs_in_order(), weights, depth=2, heads=2)
    outputs = encoder.predict(INPUTS, verbose=0)
    assert set(outputs) == {"sequence", "pooled"}
    np.testing.assert_allclose(outputs["sequence"], sequence, atol=2e-5)
    np.testing.assert_allclose(outputs["pooled"], pooled, atol=2e-5)


def test_the_recipe_for_small_corpora_in_numpy() -> None:
    options = {"norm_first": True, "scale_embedding": True, "epsilon": 1e-6}
    encoder = tiny_encoder(positions="rotary", segments=0, **options)
    weights = randomize(encoder)
    token_ids, _, mask = inputs_in_order()
    sequence, pooled = reference.encoder(token_ids, None, mask, weights, depth=2, heads=2, rotary=True, **options)
    outputs = encoder.predict({"token_ids": token_ids, "padding_mask": mask}, verbose=0)
    np.testing.assert_allclose(outputs["sequence"], sequence, atol=5e-5)
    np.testing.assert_allclose(outputs["pooled"], pooled, atol=5e-5)


def test_albert_in_numpy() -> None:
    encoder = tiny_encoder(embedding_width=6, shared_blocks=True, pooler_activation="relu")
    weights = randomize(encoder)
    # One block for all depths, and embeddings of their own width: the same as an encoder whose blocks are copies.
    assert {path.split("/")[0] for path in weights if path.startswith("block")} == {"block"}
    assert weights["token_embedding/embeddings"].shape == (23, 6) and encoder.embedding_width == 6
    token_ids, segment_ids, mask = inputs_in_order()
    x = weights["token_embedding/embeddings"][token_ids] + weights["segment_embedding/embeddings"][segment_ids]
    x = reference.layer_norm(x + weights["positions/embeddings"], **reference.below(weights, "embedding_norm"))
    x = x @ weights["embedding_projection/kernel"] + weights["embedding_projection/bias"]
    for _ in range(2):
        x = reference.encoder_block(x, reference.below(weights, "block"), 2, mask[:, None])
    outputs = encoder.predict(INPUTS, verbose=0)
    np.testing.assert_allclose(outputs["sequence"], x, atol=2e-5)
    pooled = reference.relu(x[:, 0] @ weights["pooler/dense/kernel"] + weights["pooler/dense/bias"])
    np.testing.assert_allclose(outputs["pooled"], pooled, atol=5e-5)


def inputs_in_order() -> tuple[np.ndarray, ...]:
    return tuple(INPUTS[name] for name in ("token_ids", "segment_ids", "padding_mask"))


def test_the_weights_of_bert() -> None:
    shapes = {weight.path: tuple(weight.shape) for weight in tiny_encoder(depth=1).weights}
    assert shapes == {
        "token_embedding/embeddings": (23, 8),
        "segment_embedding/embeddings": (2, 8),
        "positions/embeddings": (9, 8),
        "embedding_norm/gamma": (8,),
        "embedding_norm/beta": (8,),
        "block_0/attention/qkv/kernel": (8, 24),
        "block_0/attention/qkv/bias": (24,),
        "block_0/attention/output/kernel": (8, 8),
        "block_0/attention/output/bias": (8,),
        "block_0/attention_norm/gamma": (8,),
        "block_0/attention_norm/beta": (8,),
        "block_0/feed_forward/hidden/kernel": (8, 32),
        "block_0/feed_forward/hidden/bias": (32,),
        "block_0/feed_forward/output/kernel": (32, 8),
        "block_0/feed_forward/output/bias": (8,),
        "block_0/feed_forward_norm/gamma": (8,),
        "block_0/feed_forward_norm/beta": (8,),
        "pooler/dense/kernel": (8, 8),
        "pooler/dense/bias": (8,),
    }


def test_pre_norm_starts_deep_stacks_small() -> None:
    def deviations(**options: Any) -> list[float]:
        encoder = Encoder(50, width=64, depth=8, heads=4, pooler=False, segments=0, **options)
        block = encoder.get_layer("block_3")
        parts = (block.attention.qkv, block.attention.output_projection, block.feed_forward.output_projection)
        return [float(np.std(array(part.kernel))) for part in parts]

    assert deviations() == pytest.approx([0.0176, 0.0176, 0.0176], rel=0.06)
    assert deviations(norm_first=True) == pytest.approx([0.0176, 0.0044, 0.0044], rel=0.06)  # / sqrt(2 * 8)


def test_padding_changes_nothing_at_the_tokens() -> None:
    for options in ({}, {"positions": "rotary", "norm_first": True}):
        encoder = tiny_encoder(**options)
        randomize(encoder)
        mask = INPUTS["padding_mask"]
        other = {**INPUTS, "token_ids": np.where(mask, INPUTS["token_ids"], 7).astype("int32")}
        one, two = (encoder.predict(inputs, verbose=0) for inputs in (INPUTS, other))
        np.testing.assert_allclose(one["sequence"][mask], two["sequence"][mask], atol=1e-5)
        shorter = {name: value[:1, : mask[0].sum()] for name, value in INPUTS.items()}
        sequence = encoder.predict(shorter, verbose=0)["sequence"]
        np.testing.assert_allclose(sequence, one["sequence"][:1, : mask[0].sum()], atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"positions": "rotary", "norm_first": True}], ids=["bert", "modern"])
def test_rows_of_padding_alone_are_finite_forward_and_backward_in_bfloat16(options: dict[str, Any]) -> None:
    encoder = tiny_encoder(dtype="mixed_bfloat16", dropout=0.1, **options)
    randomize(encoder)
    inputs = {
        **INPUTS,
        "padding_mask": np.array([[False] * LENGTH, [True] * LENGTH, [False] * LENGTH, [True] * LENGTH]),
    }

    def loss() -> Any:
        outputs = encoder({name: ops.convert_to_tensor(value) for name, value in inputs.items()}, training=True)
        return sum(ops.mean(ops.square(ops.cast(output, "float32") - 0.3)) for output in outputs.values())

    assert np.isfinite(array(loss()))
    for weight, gradient in zip(encoder.trainable_variables, gradients(loss, encoder.trainable_variables), strict=True):
        assert np.isfinite(array(gradient)).all(), weight.path


def test_mixed_precision_multiplies_by_the_embedding_in_bfloat16() -> None:
    encoder = tiny_encoder(dtype="mixed_bfloat16")
    hidden = ops.ones((1, 2, 8), dtype="bfloat16")
    assert keras.backend.standardize_dtype(encoder.token_embedding(hidden, reverse=True).dtype) == "bfloat16"
    outputs = encoder({name: ops.convert_to_tensor(value) for name, value in INPUTS.items()})
    assert {keras.backend.standardize_dtype(output.dtype) for output in outputs.values()} == {"bfloat16"}
    assert {weight.dtype for weight in encoder.trainable_variables} == {"float32"}


def test_outputs_and_inputs_follow_the_arguments() -> None:
    encoder = tiny_encoder(pooler=False, segments=0)
    assert set(encoder.output) == {"sequence"}
    assert set(encoder.input) == {"token_ids", "padding_mask"}
    assert (encoder.vocabulary_size, encoder.width, encoder.heads, encoder.maximum_length) == (23, 8, 2, 9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": 0}, "heads is 0; give 1 or more"),
        ({"embedding_width": 0}, "embedding_width is 0; give 1 or more"),
        ({"depth": -3}, "depth is -3; give 1 or more"),
        ({"heads": 3}, "3 heads do not divide a width of 8; choose a divisor of 8"),
        ({"positions": "alibi"}, "Unknown positions 'alibi'; choose one of learned, sinusoidal, rotary"),
        ({"normalization": "batch"}, "Unknown normalization 'batch'; choose one of layer_norm, rms_norm"),
        ({"dropout": 1.0}, r"A dropout rate must lie in \[0, 1\), unlike 1.0"),
        ({"positions": "rotary", "heads": 8}, "the width of a head must be even, not 1"),
    ],
)
def test_bad_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tiny_encoder(**options)


@pytest.mark.parametrize("positions", ["learned", "sinusoidal", "rotary"])
def test_a_sequence_over_the_positions(positions: str) -> None:
    longer = {name: np.concatenate([value, value], axis=1) for name, value in INPUTS.items()}
    with pytest.raises(ValueError, match="A sequence of 18 tokens is longer than the model's 9 positions"):
        tiny_encoder(positions=positions)(longer)


def test_what_else_a_batch_has_is_left_aside() -> None:
    encoder = tiny_encoder(segments=0)
    expected = array(encoder({name: INPUTS[name] for name in encoder.input})["sequence"])
    batch = {"a": INPUTS["token_ids"], **INPUTS, "next_sentence_labels": np.zeros(4, np.int32)}
    np.testing.assert_array_equal(array(encoder(batch)["sequence"]), expected)


def test_a_missing_input_is_named() -> None:
    with pytest.raises(ValueError, match='Missing data for input "segment_ids"'):
        tiny_encoder()({name: INPUTS[name] for name in ("token_ids", "padding_mask")})
