from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from kpt.errors import InputError
from kpt.objectives import Objective, token_cross_entropy, weighted_mean
from tests import reference
from tests.numbers import array, normal


def test_cross_entropy_by_hand() -> None:
    # Odds of 1 : 3 : 4, and of e^1000 : 1.
    logits = np.array([[0.0, np.log(3.0), np.log(4.0)], [1000.0, 0.0, 0.0]], np.float32)
    losses = token_cross_entropy(ops.convert_to_tensor(logits), np.array([1, 2], np.int32))
    assert array(losses).tolist() == pytest.approx([np.log(8 / 3), 1000.0])


def test_cross_entropy_in_float64() -> None:
    logits, labels = normal(4, 5, 11, scale=3.0), np.random.default_rng(1).integers(0, 11, (4, 5)).astype("int32")
    losses = array(token_cross_entropy(ops.convert_to_tensor(logits), labels))
    np.testing.assert_allclose(losses, reference.cross_entropy(logits, labels), atol=2e-6)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_narrow_logits_are_computed_with_in_float32(dtype: str) -> None:
    logits = ops.cast(ops.convert_to_tensor(normal(4, 11, scale=3.0)), dtype)
    labels = np.array([0, 3, 5, 10], np.int32)
    losses = token_cross_entropy(logits, labels)
    assert "float32" in str(losses.dtype)
    np.testing.assert_allclose(array(losses), reference.cross_entropy(array(logits), labels), atol=2e-6)


def test_weighted_mean() -> None:
    values = np.array([1.0, 2.0, 4.0], np.float32)
    assert float(weighted_mean(values, np.array([1, 1, 1], np.float32))) == pytest.approx(7 / 3)
    assert float(weighted_mean(values, np.array([1, 0, 1], np.float32))) == pytest.approx(2.5)
    assert float(weighted_mean(values, np.array([0, 0, 0], np.float32))) == 0.0


def test_an_objective_changes_nothing_by_itself() -> None:
    objective = Objective()
    batch = {"token_ids": np.ones((2, 3), np.int32)}
    assert objective.corrupt(batch, None, np.random.default_rng(0)) is batch
    assert (objective.name, objective.weight, objective.required) == ("objective", 1.0, ())
    for method in (objective.call, objective.losses_and_hits):
        with pytest.raises(NotImplementedError):
            method({}, {})


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_impossible_weights(weight: float) -> None:
    with pytest.raises(InputError, match=f"The weight of an objective is {weight}; give a number from 0 up"):
        Objective(weight=weight)
