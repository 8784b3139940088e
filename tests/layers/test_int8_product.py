from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from kpt.errors import InputError
from kpt.layers import Dense, TokenEmbedding, int8_product
from tests.numbers import array, normal

pytestmark = pytest.mark.skipif(keras.backend.backend() != "torch", reason="PyTorch's")
on_vnni = pytest.mark.skipif(
    keras.backend.backend() == "torch" and not int8_product._has_vnni(), reason="a CPU without VNNI"
)
#: Half a unit in the last place of bfloat16, of numbers up to 2.
ROUNDING = 2.0**-8


@pytest.fixture
def products(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The calls of the kernel, on any CPU."""
    import torch

    calls, kernel = [], torch._int_mm
    monkeypatch.setattr(torch, "_int_mm", lambda *args: calls.append(args) or kernel(*args))
    monkeypatch.setattr(int8_product, "_has_vnni", lambda: True)
    yield calls


def quantized(layer: Any, inputs: Any) -> Any:
    layer(inputs)
    layer.quantize("int8")
    return layer


@on_vnni
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "bfloat16"])
@pytest.mark.parametrize("shape", [(1, 1, 96), (3, 96), (2, 9, 96)])
def test_outputs_are_those_of_keras(shape: tuple[int, ...], dtype: str, products: Any, monkeypatch: Any) -> None:
    inputs = normal(*shape)
    layer = quantized(Dense(40, kernel_initializer="he_normal", activation="gelu", dtype=dtype), inputs)
    layer.bias.assign(normal(40, seed=2))
    found = layer(inputs)
    assert len(products) == 1
    monkeypatch.setattr("kpt.layers.dense.multiplies_int8", lambda *_: False)
    wanted = layer(inputs)
    assert len(products) == 1 and found.dtype == wanted.dtype
    tolerance = {"rtol": 1e-5, "atol": 1e-6} if dtype == "float32" else {"rtol": 2 * ROUNDING, "atol": 4 * ROUNDING}
    np.testing.assert_allclose(*(array(ops.cast(each, "float32")) for each in (found, wanted)), **tolerance)


@on_vnni
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("tied", [True, False])
def test_logits_are_those_of_keras(tied: bool, dtype: str, products: Any, monkeypatch: Any) -> None:
    layer, vectors = TokenEmbedding(50, 32, tied=tied, initial_scale=10.0, dtype=dtype), normal(2, 3, 32)
    layer.build((None, None))
    layer.quantize("int8")
    found = layer(vectors, reverse=True)
    assert len(products) == 1
    monkeypatch.setattr("kpt.layers.token_embedding.multiplies_int8", lambda *_: False)
    wanted = layer(vectors, reverse=True)
    assert len(products) == 1 and found.dtype == wanted.dtype
    tolerance = {"rtol": 1e-5, "atol": 1e-6} if dtype == "float32" else {"rtol": 2 * ROUNDING, "atol": 4 * ROUNDING}
    np.testing.assert_allclose(*(array(ops.cast(each, "float32")) for each in (found, wanted)), **tolerance)


@on_vnni
def test_sums_are_exact_where_16_bits_would_not_hold_them() -> None:
    layer = quantized(Dense(16, use_bias=False), np.ones((1, 256), "float32"))
    layer._kernel.assign(np.full((256, 16), 127, "int8"))
    layer.kernel_scale.assign(np.ones(16))
    np.testing.assert_allclose(array(layer(np.ones((2, 256), "float32"))), 256 * 127, rtol=1e-6)


@pytest.mark.parametrize(
    "quantizer",
    [
        None,
        {"value_range": (-7, 7)},
        {"output_dtype": "int32"},
        {"axis": (0, -1)},
    ],
)
def test_inputs_that_are_rounded_otherwise_or_not_at_all_are_keras_s(quantizer: Any, products: Any) -> None:
    inputs = normal(2, 96)
    layer = quantized(Dense(40, kernel_initializer="he_normal"), inputs)
    layer.inputs_quantizer = None if quantizer is None else keras.quantizers.AbsMaxQuantizer(**quantizer)
    exact = inputs @ (array(layer._kernel) / array(layer.kernel_scale))
    assert np.abs(array(layer(inputs)) - exact).max() < 1
    assert not products


def test_a_cpu_without_the_operations_an_export_and_derivatives_are_keras_s(
    products: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    inputs = torch.from_numpy(normal(2, 96))
    layer = quantized(Dense(40, use_bias=False), inputs)
    with monkeypatch.context() as changed:
        changed.setattr(int8_product, "_has_vnni", lambda: False)
        layer(inputs)
    with monkeypatch.context() as changed:
        changed.setattr(torch.compiler, "is_compiling", lambda: True)
        layer(inputs)
    traced = torch.jit.trace(lambda rows: layer(rows), inputs, check_trace=False)
    assert "_int_mm" not in str(traced.graph)
    with torch.autograd.forward_ad.dual_level():
        assert not int8_product.multiplies_int8(layer, inputs)
    assert not products
    layer(inputs)
    assert len(products) == 1


def test_a_soft_cap_is_refused() -> None:
    with pytest.raises(InputError, match="no logit_soft_cap"):
        TokenEmbedding(5, 4, logit_soft_cap=30.0)


def test_columns_lie_side_by_side_also_after_loading(tmp_path: Path, products: Any) -> None:
    layer = quantized(Dense(40), normal(2, 96))
    stored = array(layer._kernel)
    model = keras.Sequential([keras.Input((96,)), layer])
    model.save(tmp_path / "model.keras")
    for each in (layer, keras.saving.load_model(tmp_path / "model.keras").layers[-1]):
        assert each._kernel.value.stride() == (1, 96)
        np.testing.assert_array_equal(array(each._kernel), stored)


def test_a_cpu_without_the_operations_has_rows_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8_product, "_has_vnni", lambda: False)
    assert quantized(Dense(40), normal(2, 96))._kernel.value.stride() == (40, 1)


@on_vnni
def test_in_bfloat16_the_only_roundings_are_of_operands_and_result() -> None:
    import torch

    layer, inputs = quantized(Dense(40, use_bias=False, dtype="bfloat16"), normal(8, 96)), normal(8, 96)
    rows = torch.from_numpy(inputs).to(torch.bfloat16)
    rounded, scale = (array(ops.cast(each, "float32")).astype("float64") for each in layer.inputs_quantizer(rows, -1))
    kernel, scales = array(layer._kernel).astype("float64"), array(ops.cast(layer.kernel_scale, "float32"))
    exact = rounded @ kernel / (scale * scales)
    found = array(ops.cast(layer(rows), "float32"))
    np.testing.assert_allclose(found, exact, rtol=ROUNDING, atol=1e-6)


def test_gradients_and_low_rank_matrices_are_those_of_keras(products: Any) -> None:
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
    products.clear()
    assert np.abs(array(layer(normal(2, 16))) - before).max() > 1e-3
    assert not products
