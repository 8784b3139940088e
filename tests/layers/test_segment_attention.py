from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from kpt import Decoder
from kpt.layers import scaled_dot_product_attention, segment_attention, segment_mask
from kpt.layers.segment_attention import Segments
from tests.numbers import array, gradients, normal

BACKEND = keras.backend.backend()
ROWS, LENGTH, DEPTH = 2, 256, 8
IDS = np.sort(np.random.default_rng(0).integers(0, 5, (ROWS, LENGTH)), axis=1).astype("int32")

WITH_GRADIENTS = pytest.mark.skipif(BACKEND == "torch", reason="FlexAttention has no gradients on a CPU")
with_a_kernel = pytest.mark.skipif(BACKEND == "tensorflow", reason="TensorFlow has no kernel")


def by_kernel(segments: Segments, query: Any, key: Any, value: Any, causal: bool) -> Any:
    """What a GPU or a TPU would do, by the same functions on a CPU."""
    if BACKEND == "torch":  # which has no gradients of it on a CPU
        return segments.attend_by_flex(query.detach(), key.detach(), value.detach(), causal, compiled=False)
    return segments.attend_by_splash(query, key, value, causal, interpret=True)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Has models take the kernel, and tells of the calls."""
    calls: list[Any] = []
    monkeypatch.setattr(segment_attention, "_kernel", lambda ids: "flex" if BACKEND == "torch" else "splash")
    monkeypatch.setattr(Segments, "attend", lambda *args: (calls.append(args), by_kernel(*args))[1])
    return calls


def test_here_is_no_kernel_and_segments_are_a_mask() -> None:
    mask = array(segment_mask(ops.convert_to_tensor(IDS)))
    np.testing.assert_array_equal(mask, IDS[:, None, :, None] == IDS[:, None, None, :])


@with_a_kernel
@pytest.mark.parametrize("groups", [4, 2])
@pytest.mark.parametrize("causal", [True, False])
def test_kernels_do_what_the_mask_does(causal: bool, groups: int) -> None:
    shapes = (4, groups, groups)
    variables = [keras.Variable(normal(ROWS, LENGTH, heads, DEPTH, seed=seed)) for seed, heads in enumerate(shapes)]
    slope = ops.convert_to_tensor(normal(ROWS, LENGTH, 4, DEPTH, seed=9))

    def masked() -> Any:
        segments = Segments(ops.convert_to_tensor(IDS))
        values = [variable.value for variable in variables]
        return scaled_dot_product_attention(*values, mask=segments.mask(), causal=causal)

    def fused() -> Any:
        return by_kernel(Segments(ops.convert_to_tensor(IDS)), *(variable.value for variable in variables), causal)

    np.testing.assert_allclose(array(fused()), array(masked()), atol=2e-6)
    if BACKEND == "torch":
        return
    wanted, found = (gradients(lambda f=f: ops.sum(f() * slope), variables) for f in (masked, fused))
    for own, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(array(own), array(other), atol=1e-5)


@with_a_kernel
def test_one_object_serves_causal_layers_and_others() -> None:
    query = ops.convert_to_tensor(normal(ROWS, LENGTH, 2, DEPTH, seed=1))
    segments = Segments(ops.convert_to_tensor(IDS))
    for causal in (True, False, True):
        wanted = scaled_dot_product_attention(query, query, query, mask=segments.mask(), causal=causal)
        found = by_kernel(segments, query, query, query, causal)
        np.testing.assert_allclose(array(found), array(wanted), atol=2e-6)


def test_arrays_and_symbolic_inputs_become_a_mask() -> None:
    assert array(segment_mask(IDS)).shape == (ROWS, 1, LENGTH, LENGTH)
    assert segment_mask(keras.Input((LENGTH,), dtype="int32")).shape == (None, 1, LENGTH, LENGTH)


@with_a_kernel
def test_heads_that_are_too_narrow_for_the_kernel_take_a_mask(kernel: list[Any]) -> None:
    for width, calls in ((60, 0 if BACKEND == "torch" else 1), (64, 1)):
        decoder = Decoder(40, width=width, depth=1, heads=4, maximum_length=LENGTH, dropout=0.0)
        ids = ops.convert_to_tensor(np.ones((ROWS, LENGTH), "int32"))
        decoder({"token_ids": ids, "segment_ids": ops.convert_to_tensor(IDS)})
        assert len(kernel) == calls
        kernel.clear()


@with_a_kernel
@pytest.mark.parametrize("remat", [False, pytest.param(True, marks=WITH_GRADIENTS)])
def test_a_decoder_takes_the_kernel_in_each_block(kernel: list[Any], monkeypatch: Any, remat: bool) -> None:
    decoder = Decoder(40, width=64, depth=2, heads=4, maximum_length=LENGTH, dropout=0.0, remat=remat)
    ids = np.random.default_rng(1).integers(0, 40, (ROWS, LENGTH)).astype("int32")
    inputs = {"token_ids": ops.convert_to_tensor(ids), "segment_ids": ops.convert_to_tensor(IDS)}
    weights = list(decoder.trainable_variables)
    slope = ops.convert_to_tensor(normal(ROWS, LENGTH, 64, seed=3))

    def total() -> Any:
        return ops.sum(decoder(inputs, training=True)["sequence"] * slope)

    found = array(decoder(inputs)["sequence"])
    of_found = [] if BACKEND == "torch" else [array(each) for each in gradients(total, weights)]
    assert len(kernel) >= 2 and all(causal for *_, causal in kernel)
    monkeypatch.setattr(segment_attention, "_kernel", lambda ids: None)
    kernel.clear()
    np.testing.assert_allclose(found, array(decoder(inputs)["sequence"]), atol=1e-5)
    for own, other in zip(of_found, gradients(total, weights) if of_found else [], strict=True):
        np.testing.assert_allclose(own, array(other), rtol=1e-4, atol=1e-3)
    assert not kernel


@with_a_kernel
def test_where_probabilities_are_dropped_or_watched_there_is_a_mask(kernel: list[Any]) -> None:
    decoder = Decoder(40, width=64, depth=1, heads=4, maximum_length=LENGTH, dropout=0.0, attention_dropout=0.5)
    ids = ops.convert_to_tensor(np.ones((ROWS, LENGTH), "int32"))
    inputs = {"token_ids": ids, "segment_ids": ops.convert_to_tensor(IDS)}
    decoder(inputs, training=True)
    told: list[Any] = []
    decoder.blocks[0].attention.watch = told.append
    decoder(inputs)
    other = IDS[:, None, :, None] != IDS[:, None, None, :]
    assert array(told[0])[np.broadcast_to(other, told[0].shape)].max() == 0
    assert not kernel
    decoder.blocks[0].attention.watch = None
    decoder(inputs)
    assert len(kernel) == 1


SHARDED = """
import json, sys
import jax, keras, numpy as np
from kpt.layers import scaled_dot_product_attention
from kpt.layers.segment_attention import Segments

devices = keras.distribution.list_devices()
generator = np.random.default_rng(0)
query, key, value = (generator.normal(size=(4, 128, heads, 8)).astype("float32") for heads in (4, 2, 2))
ids = np.sort(generator.integers(0, 3, (4, 128)), axis=1).astype("int32")
wanted = scaled_dot_product_attention(query, key, value, mask=Segments(ids).mask(), causal=True)
axes = {"data": {"data": 4}, "model": {"batch": 2, "model": 2}}[sys.argv[1]]
mesh = keras.distribution.DeviceMesh(tuple(axes.values()), tuple(axes), devices[:4])
if sys.argv[1] == "data":
    distribution = keras.distribution.DataParallel(mesh)
else:
    layouts = keras.distribution.LayoutMap(mesh)
    distribution = keras.distribution.ModelParallel(layout_map=layouts, batch_dim_name="batch")
keras.distribution.set_distribution(distribution)
attend = jax.jit(lambda q, k, v, i: Segments(i).attend_by_splash(q, k, v, True, interpret=True))
found = attend(query, key, value, ids)
rows = attend(query[:3], key[:3], value[:3], ids[:3])  # cannot be divided
shards = sorted(shard.data.shape for shard in found.addressable_shards)
print(json.dumps([float(abs(found - wanted).max()), float(abs(rows - wanted[:3]).max()), shards[0]]))
"""


@pytest.mark.skipif(BACKEND != "jax", reason="meshes are JAX's")
@pytest.mark.parametrize(("kind", "shard"), [("data", [1, 128, 4, 8]), ("model", [2, 128, 2, 8])])
def test_each_device_of_a_mesh_does_its_rows_and_heads(kind: str, shard: list[int]) -> None:
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4"
    environment = os.environ | {"XLA_FLAGS": flags.strip()}
    ended = subprocess.run(
        [sys.executable, "-c", SHARDED, kind], env=environment, capture_output=True, text=True, check=True
    )
    found = json.loads(ended.stdout.splitlines()[-1])
    assert max(found[:2]) < 1e-5 and found[2] == shard


@pytest.mark.skipif(BACKEND != "jax", reason="TPUs are JAX's")
def test_on_a_tpu_what_keras_has_there_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    import jax
    from keras.src.backend.jax import nn

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("its kernel is causal here")

    tpu = type("Device", (), {"platform": "tpu"})()
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    monkeypatch.setattr(nn.jax, "devices", lambda *_: [tpu])
    monkeypatch.setattr(nn, "wrap_flash_attention", refuse)
    monkeypatch.setattr(nn.logging, "exception", refuse)
    query = normal(1, 128, 2, 8)
    found = jax.jit(partial(scaled_dot_product_attention, causal=False))(query, query, query)
    scores = np.einsum("bqhd,bkhd->bhqk", query, query) / 8**0.5
    shares = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    np.testing.assert_allclose(array(found), np.einsum("bhqk,bkhd->bqhd", shares, query), atol=1e-5)
