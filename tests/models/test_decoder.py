from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from kpt.errors import InputError
from kpt.models import Decoder
from tests import reference
from tests.batches import tiny_decoder
from tests.numbers import array, compiled, randomize

VOCABULARY, LENGTH = 23, 9
TOKENS = np.random.default_rng(0).integers(0, VOCABULARY, (3, LENGTH)).astype("int32")
# Three documents, two, and one: what a packed batch has.
SEGMENTS = np.array([[0, 0, 0, 1, 1, 2, 2, 2, 2], [0, 1, 1, 1, 1, 1, 1, 1, 1], [0] * 9], np.int32)
RESTARTING = np.array([[0, 1, 2, 0, 1, 0, 1, 2, 3], [0, 0, 1, 2, 3, 4, 5, 6, 7], list(range(9))], np.int32)
PACKED = {"token_ids": TOKENS, "segment_ids": SEGMENTS, "positions": RESTARTING}

MODERN = {
    "positions": "rotary",
    "key_value_heads": 2,
    "normalization": "rms_norm",
    "activation": "silu",
    "gated": True,
    "use_bias": False,
    "tied": False,
    "scale_embedding": True,
    "epsilon": 1e-6,
}
KINDS: dict[str, dict[str, Any]] = {"gpt2": {}, "modern": MODERN, "one shared head": {"key_value_heads": 1}}
IN_NUMPY = {
    "gpt2": {"activation": reference.gelu_tanh, "epsilon": 1e-5},
    "modern": {
        "rotary": True,
        "shared": 2,
        "norm": reference.rms_norm,
        "activation": reference.silu,
        "gated": True,
        "scale_embedding": True,
        "epsilon": 1e-6,
    },
    "one shared head": {"activation": reference.gelu_tanh, "epsilon": 1e-5, "shared": 1},
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def decoder(kind: str) -> Decoder:
    made = tiny_decoder(**KINDS[kind])
    randomize(made)
    return made


def logits(decoder: Decoder, inputs: dict[str, np.ndarray]) -> np.ndarray:
    tensors = {name: ops.convert_to_tensor(value) for name, value in inputs.items()}
    return array(compiled(lambda: decoder.logits(decoder(tensors)["sequence"])))


def test_the_decoder_in_numpy(kind: str) -> None:
    decoder = tiny_decoder(**KINDS[kind])
    weights = randomize(decoder)
    expected = reference.decoder(TOKENS, weights, depth=2, heads=4, **IN_NUMPY[kind])
    assert np.abs(expected).max() > 0.5
    np.testing.assert_allclose(logits(decoder, {"token_ids": TOKENS}), expected, atol=5e-5)


def test_a_packed_document_in_numpy_is_the_document_alone(kind: str) -> None:
    decoder = tiny_decoder(**KINDS[kind])
    weights = randomize(decoder)
    packed = logits(decoder, PACKED)
    for row in range(3):
        for segment in range(SEGMENTS[row].max() + 1):
            of_it = SEGMENTS[row] == segment
            alone = reference.decoder(TOKENS[row : row + 1, of_it], weights, depth=2, heads=4, **IN_NUMPY[kind])
            np.testing.assert_allclose(packed[row, of_it], alone[0], atol=5e-5)


@pytest.mark.parametrize("inputs", [{"token_ids": TOKENS}, PACKED], ids=["plain", "packed"])
def test_no_position_sees_a_later_one_or_another_document(decoder: Decoder, inputs: dict[str, np.ndarray]) -> None:
    # One batch: the first row of the inputs, and that row with each of its tokens changed in turn.
    rows = {name: np.repeat(value[:1], LENGTH + 1, axis=0) for name, value in inputs.items()}
    changed = rows["token_ids"].copy()
    changed[np.arange(1, LENGTH + 1), np.arange(LENGTH)] = (TOKENS[0] + 1) % VOCABULARY
    found = logits(decoder, {**rows, "token_ids": changed})
    moved = np.abs(found[1:] - found[0]).max(axis=-1)  # [changed, position]
    segments = inputs.get("segment_ids", np.zeros_like(TOKENS))[0]
    may_see = np.tril(np.ones((LENGTH, LENGTH), bool)).T & (segments[:, None] == segments[None, :])
    assert moved[~may_see].max() < 1e-6  # rounding alone: a product's depends on the place of its row
    assert moved[may_see].min() > 1e-5  # what may be seen is


@pytest.mark.parametrize("scalar", ["python", "tensor"])
def test_cached_logits_are_the_uncached_ones(decoder: Decoder, scalar: str) -> None:
    def in_steps() -> Any:
        cache, found, begin = decoder.empty_cache(3, 9), [], 0
        for size in (4, 3, 1, 1):  # a prompt, a longer step, and single tokens
            index = begin if scalar == "python" else ops.convert_to_tensor(begin, dtype="int32")
            tokens = ops.convert_to_tensor(TOKENS[:, begin : begin + size])
            outputs = decoder({"token_ids": tokens}, cache=cache, cache_index=index)
            cache, begin = outputs["cache"], begin + size
            found.append(decoder.logits(outputs["sequence"]))
        assert cache[0][0].shape == (3, decoder.arguments["key_value_heads"], 9, 4)
        return ops.concatenate(found, axis=1)

    expected = logits(decoder, {"token_ids": TOKENS})
    np.testing.assert_allclose(array(compiled(in_steps)), expected, atol=1e-4)


def step(decoder: Decoder) -> Any:
    """A decoding step as generation compiles it: tokens, cache, index, mask and positions to logits and cache."""

    def call(tokens: Any, cache: Any, index: Any, mask: Any, positions: Any) -> Any:
        outputs = decoder({"token_ids": tokens, "positions": positions}, cache=cache, cache_index=index, key_mask=mask)
        return decoder.logits(outputs["sequence"]), outputs["cache"]

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.function(call, jit_compile=True)
    if backend == "jax":
        import jax

        def pure(weights: Any, *args: Any) -> Any:
            with keras.StatelessScope(state_mapping=list(zip(decoder.variables, weights, strict=True))):
                return call(*args)

        compiled = jax.jit(pure, donate_argnums=2)
        return lambda *args: compiled([each.value for each in decoder.variables], *args)
    import torch

    return torch.no_grad()(call)


def test_left_padded_prompts_in_a_compiled_step(decoder: Decoder) -> None:
    sizes = (5, 2, 4)
    prompt, mask = np.zeros((3, 5), np.int32), np.zeros((3, 9), bool)
    for row, size in enumerate(sizes):
        prompt[row, 5 - size :] = TOKENS[row, :size]
        mask[row, 5 - size :] = True
    padding = 5 - np.array(sizes, np.int32)[:, None]
    positions = np.maximum(np.arange(5, dtype=np.int32) - padding, 0)
    alone = logits(decoder, {"token_ids": TOKENS})
    next_step = step(decoder)
    for start in (0, "a tensor"):

        def prefill(start: Any = start) -> Any:
            outputs = decoder(
                {"token_ids": ops.convert_to_tensor(prompt), "positions": ops.convert_to_tensor(positions)},
                cache=decoder.empty_cache(3, 9),
                cache_index=start if start == 0 else ops.zeros((), dtype="int32"),
                key_mask=ops.convert_to_tensor(mask),
            )
            return decoder.logits(outputs["sequence"])[:, -1:], outputs["cache"]

        last, cache = compiled(prefill)
        for begin in range(5, 9):
            seen = np.array(sizes) + begin - 5
            np.testing.assert_allclose(array(last)[:, 0], alone[np.arange(3), seen - 1], atol=1e-4)
            new = (TOKENS[np.arange(3), seen][:, None], begin - padding, begin)
            tokens, at, index = (ops.convert_to_tensor(each, dtype="int32") for each in new)
            last, cache = next_step(tokens, cache, index, ops.convert_to_tensor(mask), at)


def test_the_weights_of_gpt2() -> None:
    decoder = tiny_decoder(depth=1)
    assert {weight.path: tuple(weight.shape) for weight in decoder.weights} == {
        "token_embedding/embeddings": (23, 16),
        "positions/embeddings": (9, 16),
        "block_0/attention/qkv/kernel": (16, 48),
        "block_0/attention/qkv/bias": (48,),
        "block_0/attention/output/kernel": (16, 16),
        "block_0/attention/output/bias": (16,),
        "block_0/attention_norm/gamma": (16,),
        "block_0/attention_norm/beta": (16,),
        "block_0/feed_forward/hidden/kernel": (16, 64),
        "block_0/feed_forward/hidden/bias": (64,),
        "block_0/feed_forward/output/kernel": (64, 16),
        "block_0/feed_forward/output/bias": (16,),
        "block_0/feed_forward_norm/gamma": (16,),
        "block_0/feed_forward_norm/beta": (16,),
        "final_norm/gamma": (16,),
        "final_norm/beta": (16,),
    }
    assert not [
        weight.path for weight in tiny_decoder(use_bias=False).weights if weight.path.endswith(("bias", "beta"))
    ]


@pytest.mark.parametrize("deviation", [0.02, 0.05])
def test_initial_weights(deviation: float) -> None:
    decoder = Decoder(50, width=64, depth=8, heads=4, maximum_length=8, initial_deviation=deviation)
    block = decoder.blocks[3]
    parts = (block.attention.qkv, block.attention.output_projection, block.feed_forward.output_projection)
    found = [float(np.std(array(part.kernel))) for part in parts]
    # A normal distribution cut at two deviations has 0.88 of its deviation; what writes to the stream / sqrt(2 * 8).
    assert found == pytest.approx([0.88 * deviation, 0.22 * deviation, 0.22 * deviation], rel=0.06)
    assert float(np.std(array(block.feed_forward.hidden.kernel))) == pytest.approx(0.88 * deviation, rel=0.06)
    assert float(np.std(array(decoder.token_embedding.embeddings))) == pytest.approx(0.88 * deviation, rel=0.06)


def test_a_cache_has_the_compute_dtype() -> None:
    cache = tiny_decoder(dtype="mixed_bfloat16").empty_cache(1, 3)
    assert {keras.backend.standardize_dtype(each.dtype) for pair in cache for each in pair} == {"bfloat16"}


def test_symbolic_calls_promise_the_shapes() -> None:
    decoder = tiny_decoder()
    tokens = keras.KerasTensor((None, 4), dtype="int32")
    assert decoder({"token_ids": tokens})["sequence"].shape == (None, 4, 16)
    outputs = decoder({"token_ids": tokens}, cache=decoder.empty_cache(2, 5), cache_index=0)
    assert [tuple(each.shape) for pair in outputs["cache"] for each in pair] == [(2, 4, 5, 4)] * 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": 0}, "heads is 0; give 1 or more"),
        ({"depth": -3}, "depth is -3; give 1 or more"),
        ({"heads": 3}, "3 heads do not divide a width of 16; choose a divisor of 16"),
        ({"key_value_heads": 3}, "4 heads cannot share 3 heads of keys and values; choose a divisor of 4"),
        ({"key_value_heads": 0}, "4 heads cannot share 0 heads of keys and values"),
        ({"positions": "alibi"}, "Unknown positions 'alibi'; choose one of learned, rotary"),
        ({"normalization": "batch"}, "Unknown normalization 'batch'; choose one of layer_norm, rms_norm"),
        ({"dropout": 1.0}, r"A dropout rate must lie in \[0, 1\), unlike 1.0"),
        ({"positions": "rotary", "heads": 16}, "the width of a head must be even, not 1"),
    ],
)
def test_bad_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tiny_decoder(**options)


@pytest.mark.parametrize("positions", ["learned", "rotary"])
def test_more_tokens_than_positions(positions: str) -> None:
    decoder = tiny_decoder(positions=positions)
    with pytest.raises(ValueError, match="A sequence of 10 tokens is longer than the model's 9 positions"):
        decoder({"token_ids": np.zeros((1, 10), np.int32)})
    with pytest.raises(InputError, match="A cache of 10 tokens is longer than the model's 9 positions"):
        decoder.empty_cache(1, 10)
