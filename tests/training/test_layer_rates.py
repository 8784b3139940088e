from __future__ import annotations

import keras
import numpy as np
import pytest

from kpt.errors import InputError
from kpt.training.layer_rates import LayerwiseAdamW, layerwise
from kpt.training.optimizers import adamw, finetune_optimizer
from tests.numbers import array


def test_each_weight_has_its_rate_and_its_beginning() -> None:
    """The formulas of AdamW in float64: decay at the weight's own rate, moments from the first step on."""
    weights = [keras.Variable(np.full(2, 2.0, np.float32), name=name) for name in ("a", "b", "c", "bias")]
    plain = adamw(0.1, steps=100, warmup_steps=0, decay="constant", weight_decay=0.5, clip_norm=None, epsilon=1e-6)
    factors, starts = [1.0, 0.5, 1.0, 0.25], [0, 0, 2, 0]
    optimizer = layerwise(plain, factors, starts)
    optimizer = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    optimizer.build(weights)
    expected, first, second = (np.full((4, 2), value) for value in (2.0, 0.0, 0.0))
    for step, gradient in enumerate(([0.3, -0.4], [0.1, 0.2], [-0.5, 0.6], [0.7, 0.1])):
        optimizer.apply([keras.ops.convert_to_tensor(np.array(gradient, np.float32)) for _ in weights])
        first = 0.9 * first + 0.1 * np.array(gradient)
        second = 0.999 * second + 0.001 * np.square(gradient)
        for row, (factor, start) in enumerate(zip(factors, starts, strict=True)):
            rate = 0.1 * factor if step >= start else 0.0
            if row != 3:  # a bias does not decay
                expected[row] *= 1 - 0.5 * rate
            corrected = np.sqrt(second[row] / (1 - 0.999 ** (step + 1)))
            # Keras adds epsilon before it corrects the second moment.
            epsilon = 1e-6 / np.sqrt(1 - 0.999 ** (step + 1))
            expected[row] -= rate * first[row] / (1 - 0.9 ** (step + 1)) / (corrected + epsilon)
        np.testing.assert_allclose([array(weight) for weight in weights], expected, rtol=2e-5)


def test_equal_rates_need_no_other_optimizer() -> None:
    optimizer = finetune_optimizer(10)
    assert layerwise(optimizer, [1.0, 1.0], [0, 0]) is optimizer
    assert isinstance(layerwise(optimizer, [1.0, 1.0], [0, 3]), LayerwiseAdamW)


def test_a_factor_for_each_weight() -> None:
    with pytest.raises(InputError, match="there are 1 starts for 2 factors"):
        LayerwiseAdamW(factors=[1, 0.5], starts=[0])
    with pytest.raises(InputError, match="factors for 2 weights and 1 are trained"):
        LayerwiseAdamW(factors=[1, 0.5]).build([keras.Variable(np.zeros(2, np.float32))])
