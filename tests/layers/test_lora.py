from __future__ import annotations

import keras
import numpy as np
import pytest

from kpt.errors import InputError
from kpt.layers import add_lora, merge_lora
from kpt.models import Decoder, Encoder
from tests.numbers import array

IDS = {
    "token_ids": np.array([[2, 7, 5, 3]]),
    "segment_ids": np.zeros((1, 4), int),
    "padding_mask": np.ones((1, 4), bool),
}


def made(kind: type) -> keras.Model:
    return kind(vocabulary_size=20, width=8, depth=2, heads=2, maximum_length=8, dropout=0.0)


def outputs(model: keras.Model) -> np.ndarray:
    return array(model({name: IDS[name] for name in model.input if name in IDS})["sequence"])


@pytest.mark.parametrize("kind", [Encoder, Decoder])
def test_adapters_begin_as_nothing_and_merge_into_what_they_stand_on(kind: type) -> None:
    model = made(kind)
    before, weights = outputs(model), len(model.weights)
    assert add_lora(model, rank=2, alpha=6) == 8
    np.testing.assert_array_equal(outputs(model), before)
    # A of 8 or 32 rows, B of 24, 8, 32 and 8 columns, in two blocks
    assert sum(np.prod(weight.shape) for weight in model.trainable_weights) == 2 * 2 * (
        8 + 24 + 8 + 8 + 8 + 32 + 32 + 8
    )
    assert {weight.name for weight in model.trainable_weights} == {"lora_kernel_a", "lora_kernel_b"}
    generator = np.random.default_rng(0)
    for weight in model.trainable_weights:
        weight.assign(generator.normal(size=weight.shape, scale=0.3))
    layer = next(each for each in model.layers if each.name == "block_1").attention.qkv
    a, b = array(layer.lora_kernel_a), array(layer.lora_kernel_b)
    expected = array(layer._kernel) + 6 / 2 * a @ b
    changed = outputs(model)
    assert np.abs(changed - before).max() > 0.01
    assert merge_lora(model) == 8
    np.testing.assert_allclose(array(layer.kernel), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(outputs(model), changed, rtol=1e-4, atol=1e-5)
    assert len(model.weights) == weights and not model.trainable_weights
    assert layer.get_config().get("lora_rank") is None


def test_refusals() -> None:
    model = made(Encoder)
    with pytest.raises(InputError, match="the rank is 0 and alpha None; give a rank of 1 or more"):
        add_lora(model, 0)
    with pytest.raises(InputError, match="alpha above 0"):
        add_lora(model, 1, alpha=0.0)
    add_lora(model, 1)
    with pytest.raises(InputError, match="adapters already; merge them first"):
        add_lora(model, 1)
    with pytest.raises(InputError, match="no Transformer block"):
        add_lora(keras.Sequential([keras.layers.Dense(2)]), 1)
