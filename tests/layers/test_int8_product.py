from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from kpt.layers import Dense, TokenEmbedding, int8_product
from tests.numbers import array, normal

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "torch" or not int8_product._has_vnni(), reason="PyTorch on a CPU that has VNNI"
)


def quantized(layer: Any, inputs: Any) -> Any:
    layer(inputs)
    layer.quantize("int8")
    return layer


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("shape", [(1, 1, 96), (3, 96), (2, 9, 96)])
def test_outputs_are_those_of_keras(shape: tuple[int, ...], dtype: str, monkeypatch: Any) -> None:
    inputs = ops.cast(normal(*shape), dtype)
    layer = quantized(Dense(40, kernel_initializer="he_normal", activation="gelu", dtype=dtype), inputs)
    layer.bias.assign(normal(40, seed=2))
    found = array(ops.cast(layer(inputs), "float32"))
    monkeypatch.setattr("kpt.layers.dense.multiplies_int8", lambda *_: False)
    np.testing.assert_allclose(found, array(ops.cast(layer(inputs), "float32")), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("tied", [True, False])
def test_logits_are_those_of_keras(tied: bool, monkeypatch: Any) -> None:
    layer, vectors = TokenEmbedding(50, 32, tied=tied, initial_scale=10.0), normal(2, 3, 32)
    layer.build((None, None))
    layer.quantize("int8")
    found = array(layer(vectors, reverse=True))
    monkeypatch.setattr("kpt.layers.token_embedding.multiplies_int8", lambda *_: False)
    np.testing.assert_allclose(found, array(layer(vectors, reverse=True)), rtol=1e-5, atol=1e-6)


def test_sums_are_exact_where_16_bits_would_not_hold_them() -> None:
    layer = quantized(Dense(16, use_bias=False), np.ones((1, 256), "float32"))
    layer._kernel.assign(np.full((256, 16), 127, "int8"))
    layer.kernel_scale.assign(np.ones(16))
    np.testing.assert_allclose(array(layer(np.ones((2, 256), "float32"))), 256 * 127, rtol=1e-6)


def test_a_quantizer_of_another_range_is_asked() -> None:
    inputs = normal(2, 96)
    layer = quantized(Dense(40, kernel_initializer="he_normal"), inputs)
    finer = array(layer(inputs))
    layer.inputs_quantizer = keras.quantizers.AbsMaxQuantizer(axis=-1, value_range=(-7, 7))
    coarser = array(layer(inputs))
    assert 0.01 < np.abs(finer - coarser).max() < 1


def test_columns_lie_side_by_side_also_after_loading(tmp_path: Path) -> None:
    layer = quantized(Dense(40), normal(2, 96))
    stored = array(layer._kernel)
    model = keras.Sequential([keras.Input((96,)), layer])
    model.save(tmp_path / "model.keras")
    for each in (layer, keras.saving.load_model(tmp_path / "model.keras").layers[-1]):
        assert each._kernel.value.stride() == (1, 96)
        np.testing.assert_array_equal(array(each._kernel), stored)


def test_gradients_and_low_rank_matrices_are_those_of_keras() -> None:
    import torch

    layer = Dense(8, kernel_initializer="he_normal")
    layer.build((None, 16))
    layer.quantize("int8")
    inputs = torch.from_numpy(normal(2, 16)).requires_grad_()
    slope = torch.autograd.grad(layer(inputs).sum(), [inputs])[0]
    kernel = array(layer._kernel) / array(layer.kernel_scale)
    np.testing.assert_allclose(array(slope), np.tile(kernel.sum(1), (2, 1)), rtol=1e-5)
    before = array(layer(normal(2, 16)))
    layer.enable_lora(2)
    layer.lora_kernel_b.assign(np.ones((2, 8)))
    assert np.abs(array(layer(normal(2, 16))) - before).max() > 1e-3
