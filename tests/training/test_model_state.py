from __future__ import annotations

import random
from pathlib import Path

import keras
import numpy as np
import pytest

from kpt.errors import InputError
from kpt.layers import Dropout
from kpt.training.model_state import Twin, random_states, restore_random_states, values

ONES = np.ones((4, 1), np.float32)


def small_model(seed: int | None = 5) -> keras.Model:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2), Dropout(0.5, seed=seed), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.1), loss="mse", metrics=["mae"])
    return model


def fit(model: keras.Model) -> None:
    model.fit(ONES, ONES, batch_size=2, verbose=0)


def test_a_copy_does_not_change_with_the_model() -> None:
    model = small_model()
    fit(model)
    copies = values(model)
    before = [copy.copy() for copy in copies]
    fit(model)
    for copy, value in zip(copies, before, strict=True):
        np.testing.assert_array_equal(copy, value)
    assert any(np.abs(copy - new).max() > 1e-3 for copy, new in zip(copies, values(model), strict=True))


def test_a_twin_is_saved_in_the_place_of_its_model(tmp_path: Path) -> None:
    model = small_model()
    fit(model)
    drawn = random.getstate()
    twin = Twin(model)
    assert random.getstate() == drawn
    copies = values(model)
    fit(model)
    twin.assign(copies)
    twin.model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.name == model.name
    assert int(again.optimizer.iterations) == 2
    for value, expected in zip(values(again), copies, strict=True):
        np.testing.assert_array_equal(value, expected)


def test_a_model_that_cannot_be_made_again() -> None:
    class Unregistered(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.layer = keras.layers.Dense(1)

        def call(self, inputs: object) -> object:
            return self.layer(inputs)

    model = Unregistered()
    model.compile("sgd", loss="mse")
    fit(model)
    with pytest.raises(ValueError, match="the Unregistered cannot be made again"):
        Twin(model)


def test_random_numbers_go_on_where_they_were() -> None:
    model, other = small_model(seed=5), small_model(seed=6)
    fit(model)
    states = random_states(model)
    assert states == [[5, 2]]
    restore_random_states(other, states)
    assert random_states(other) == states
    with pytest.raises(InputError, match="there are 0 states of random numbers for a model with 1"):
        restore_random_states(other, [])
