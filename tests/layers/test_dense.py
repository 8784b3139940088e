from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from kpt.layers import Dense, TokenEmbedding, dense
from kpt.layers.dense import product
from tests.numbers import array, gradients, normal

# Half a unit in the last place of bfloat16, of numbers of this size.
ROUNDING = 2.0**-8


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 8), (3, 8), (2, 5, 8)])
def test_a_product_is_that_of_float64_rounded_once(shape: tuple[int, ...], transposed: bool, dtype: str) -> None:
    inputs, kernel = (ops.cast(normal(*size, seed=seed), dtype) for seed, size in ((1, shape), (2, (8, 6))))
    exact = array(ops.cast(inputs, "float32")).astype("float64") @ array(ops.cast(kernel, "float32"))
    found = product(inputs, ops.transpose(kernel) if transposed else kernel, transposed)
    assert found.dtype == inputs.dtype
    assert found.shape == (*shape[:-1], 6)
    tolerance = 1e-5 if dtype == "float32" else ROUNDING
    np.testing.assert_allclose(array(ops.cast(found, "float32")), exact, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 8), (2, 5, 8)])
def test_gradients_in_bfloat16_are_those_in_float32(shape: tuple[int, ...], transposed: bool) -> None:
    kernel = normal(6, 8, seed=2) if transposed else normal(8, 6, seed=2)
    variables = [keras.Variable(normal(*shape, seed=1)), keras.Variable(kernel)]
    weights = ops.convert_to_tensor(normal(*shape[:-1], 6, seed=3))

    def total(dtype: str) -> Any:
        found = product(*(ops.cast(variable.value, dtype) for variable in variables), transposed)
        return ops.sum(ops.cast(found, "float32") * weights)

    narrow, wide = (gradients(lambda dtype=dtype: total(dtype), variables) for dtype in ("bfloat16", "float32"))
    for of_narrow, of_wide in zip(narrow, wide, strict=True):
        np.testing.assert_allclose(array(of_narrow), array(of_wide), rtol=0.03, atol=0.03)


@pytest.mark.parametrize("transposed", [False, True])
def test_gradients_are_those_of_float64(transposed: bool) -> None:
    inputs, kernel, slope = normal(2, 5, 8, seed=1), normal(8, 6, seed=2), normal(2, 5, 6, seed=3)
    variables = [keras.Variable(inputs), keras.Variable(kernel.T if transposed else kernel)]

    def total() -> Any:
        return ops.sum(product(*(variable.value for variable in variables), transposed) * ops.convert_to_tensor(slope))

    of_inputs, of_kernel = (array(gradient) for gradient in gradients(total, variables))
    inputs, kernel, slope = (each.astype("float64") for each in (inputs, kernel, slope))
    np.testing.assert_allclose(of_inputs, slope @ kernel.T, rtol=1e-5, atol=1e-6)
    wanted = inputs.reshape(-1, 8).T @ slope.reshape(-1, 6)
    np.testing.assert_allclose(of_kernel, wanted.T if transposed else wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(not dense._on_jax_cpu(), reason="XLA's fusions on JAX's CPU")
def test_on_jax_a_gradient_is_held_for_both_its_products() -> None:
    import jax

    def loss(kernels: list[Any], x: Any) -> Any:
        for kernel in kernels:
            x = x + ops.tanh(product(x, kernel))
        return ops.sum(x * x)

    kernels, x = [normal(8, 8, seed=seed) for seed in range(3)], normal(4, 8)
    compiled = jax.jit(jax.grad(loss)).lower(kernels, x)
    assert compiled.as_text().count("optimization_barrier") == len(kernels)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "bfloat16"])
def test_a_layer_is_that_of_keras(dtype: str) -> None:
    arguments = {"activation": "relu", "dtype": dtype, "kernel_initializer": "he_normal"}
    ours, theirs = Dense(6, **arguments), keras.layers.Dense(6, **arguments)
    inputs = normal(2, 5, 8)
    ours(inputs), theirs(inputs)
    theirs.set_weights(ours.get_weights())
    found, wanted = (array(ops.cast(layer(inputs), "float32")) for layer in (ours, theirs))
    np.testing.assert_allclose(found, wanted, rtol=1e-5 if dtype == "float32" else 2 * ROUNDING, atol=1e-2)
    assert Dense.from_config(ours.get_config()).activation is ours.activation


@pytest.mark.parametrize("rows", [1, 3])
def test_eight_bits_are_near_the_layer(rows: int) -> None:
    layer, inputs = Dense(6, kernel_initializer="he_normal"), normal(rows, 1, 32)
    before = array(layer(inputs))
    layer.quantize("int8")
    after = array(layer(inputs))
    assert after.shape == (rows, 1, 6)
    assert 0 < np.abs(after - before).max() < 0.05


@pytest.mark.parametrize("tied", [True, False])
def test_eight_bits_are_near_the_logits(tied: bool) -> None:
    layer = TokenEmbedding(11, 32, tied=tied, initial_scale=10.0)
    layer.build((None, None))
    vectors, ids = normal(1, 1, 32), np.array([[3, 4]])
    logits, rows = array(layer(vectors, reverse=True)), array(layer(ids))
    layer.quantize("int8")
    assert np.abs(array(layer(vectors, reverse=True)) - logits).max() < 0.05
    assert np.abs(array(layer(ids)) - rows).max() < 0.01
