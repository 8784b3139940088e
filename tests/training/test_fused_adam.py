from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from kpt.training.optimizers import SelectiveAdamW, global_norm
from tests.numbers import array, normal

pytestmark = pytest.mark.skipif(keras.backend.backend() != "torch", reason="PyTorch's")

SHAPES = {"kernel": (5, 3), "bias": (3,), "table": (700, 40)}


def trained(optimizer: Any, steps: int = 4, dtype: str = "float32", scale: float = 1.0) -> list[np.ndarray]:
    """The weights after some steps, whose gradients are the same for each optimizer."""
    weights = [
        keras.Variable(normal(*shape, seed=seed), dtype=dtype, name=name)
        for seed, (name, shape) in enumerate(SHAPES.items())
    ]
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.build(weights)
    for step in range(steps):
        optimizer.apply(
            [
                keras.ops.convert_to_tensor(normal(*shape, seed=10 * step + seed) * scale, dtype)
                for seed, shape in enumerate(SHAPES.values())
            ]
        )
    return [array(weight.value) for weight in weights]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"global_clipnorm": 1.0},
        {"clipnorm": 0.5},
        {"clipvalue": 0.3},
        {"epsilon": 1e-2, "beta_2": 0.95},
        {"amsgrad": True},
        {"gradient_accumulation_steps": 2, "global_clipnorm": 1.0},
        {"global_clipnorm": 1.0, "loss_scale_factor": 8.0},
        {"use_ema": True, "ema_momentum": 0.9},
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steps_are_those_of_keras(options: dict[str, Any], dtype: str) -> None:
    common: dict[str, Any] = {"learning_rate": 0.05, "weight_decay": 0.1, **options}
    ours = trained(SelectiveAdamW(**common), dtype=dtype)
    exact = trained(keras.optimizers.AdamW(**common), dtype="float64")
    for one, other in zip(ours, exact, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("layouts", ["CC", "CF", "FC", "FF"])
def test_weights_and_gradients_may_lie_in_memory_in_other_orders(layouts: str) -> None:
    import torch

    start, of_weight, of_gradient = normal(5, 7), layouts[0], layouts[1]
    found = []
    for kind, order in ((SelectiveAdamW, (of_weight, of_gradient)), (keras.optimizers.AdamW, ("C", "C"))):
        optimizer = kind(0.05, weight_decay=0.0)
        weight = keras.Variable(np.array(start, order=order[0]))
        optimizer.build([weight])
        for step in range(3):
            optimizer.apply([torch.from_numpy(np.array(normal(5, 7, seed=step + 1), order=order[1]))])
        found.append([array(value) for value in (weight.value, optimizer._momentums[0].value)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_all_weights_are_updated_in_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch.optim.adam as adam

    calls: list[int] = []
    step = adam.adam

    def counted(params: Any, *args: Any, **kwargs: Any) -> None:
        calls.append(len(params))
        assert kwargs["fused"]
        step(params, *args, **kwargs)

    monkeypatch.setattr(adam, "adam", counted)
    trained(SelectiveAdamW(0.1), steps=2)
    trained(SelectiveAdamW(0.1, amsgrad=True), steps=2)
    assert calls == [3, 3]


def test_gradients_that_are_not_finite_make_all_weights_so() -> None:
    optimizer = SelectiveAdamW(0.1, global_clipnorm=1.0)
    weights = [keras.Variable(np.ones(2, np.float32)), keras.Variable(np.ones(3, np.float32))]
    optimizer.build(weights)
    optimizer.apply([keras.ops.convert_to_tensor(each) for each in (np.array([1, np.inf], "f"), np.ones(3, "f"))])
    assert all(np.isnan(array(weight.value)).all() for weight in weights)
    assert not np.isfinite(array(optimizer.gradient_norm.value))


def test_the_norm_is_that_of_all_gradients_but_those_that_are_not_there() -> None:
    first, second = normal(4, 5), normal(3, seed=1)
    found = global_norm([keras.ops.convert_to_tensor(first), None, keras.ops.convert_to_tensor(second, "bfloat16")])
    expected = np.sqrt(np.square(first).sum() + np.square(array(keras.ops.cast(second, "bfloat16"))).sum())
    assert array(found) == pytest.approx(expected, rel=1e-3)
