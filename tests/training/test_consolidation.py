from __future__ import annotations

import keras
import numpy as np
import pytest

from kpt import InputError
from kpt.data import LabelledBatches
from kpt.data.replayed import ReplayedExamples
from kpt.data.task_mixture import joint_batch
from kpt.training.consolidation import ConsolidatedModel, consolidate
from tests.numbers import array
from tests.training.vector_tasks import vector_examples, vector_gradients, vector_tasks

ROWS = [1, 8, 20]


def test_the_penalties_of_several_tasks_are_one() -> None:
    generator = np.random.default_rng(0)
    shapes = [(4, 3), (5,)]
    fishers = [[generator.exponential(size=shape) * (generator.random(shape) < 0.8) for shape in shapes] for _ in "abc"]
    places = [[generator.normal(size=shape) for shape in shapes] for _ in "abc"]
    weights = [generator.normal(size=shape) for shape in shapes]
    state = None
    for fisher, place in zip(fishers, places, strict=True):
        state = consolidate(state, fisher, place)
    assert state is not None
    wanted = (
        7.0
        / 2
        * sum(
            (f * (w - p) ** 2).sum()
            for fisher, place in zip(fishers, places, strict=True)
            for f, w, p in zip(fisher, weights, place, strict=True)
        )
    )
    assert state.penalty(weights, 7.0) == pytest.approx(wanted, rel=1e-12)


def test_loss_and_step_are_those_of_the_formula() -> None:
    model, examples = vector_tasks(), vector_examples()
    table = model.backbone.trainable_variables[0]
    theta = np.asarray(array(table.value), np.float64)
    generator = np.random.default_rng(0)
    fisher, anchor = generator.exponential(size=theta.shape), theta + generator.normal(size=theta.shape) * 0.1
    strength, rate = 3.0, 0.05
    batch = joint_batch(examples, [("mood", np.array(ROWS))])
    plain = float(array(model.compute_loss(*batch[:2], model(batch[0]), batch[2])))
    trained = ConsolidatedModel(model, consolidate(None, [fisher], [anchor]), strength)
    trained.compile(optimizer=keras.optimizers.SGD(rate))
    logs = trained.train_on_batch(*batch, return_dict=True)
    penalty = strength / 2 * (fisher * (theta - anchor) ** 2).sum()
    assert logs["penalty"] == pytest.approx(penalty, rel=1e-5)
    assert logs["loss"] == pytest.approx(plain + penalty, rel=1e-5)
    assert {"mood_loss", "mood_accuracy", "stars_loss"} <= set(logs)
    slope = vector_gradients_at(theta, examples) + strength * fisher * (theta - anchor)
    np.testing.assert_allclose(array(table.value), theta - rate * slope, rtol=1e-5, atol=1e-6)


def vector_gradients_at(theta: np.ndarray, examples: dict[str, object]) -> np.ndarray:
    """The mean gradient of the texts' loss at the weights that a new model has."""
    model = vector_tasks()
    np.testing.assert_array_equal(array(model.backbone.trainable_variables[0].value), theta)
    return vector_gradients(model, vector_examples()["mood"], "mood", ROWS).mean(axis=0)


def test_fit_holds_the_weights_where_they_matter() -> None:
    model, examples = vector_tasks(), vector_examples()
    table = model.backbone.trainable_variables[0]
    start = array(table.value)
    fisher = np.zeros(start.shape)
    fisher[:, 0] = 1.0
    trained = ConsolidatedModel(model, consolidate(None, [fisher], [start]), 1e4)
    trained.compile(optimizer=keras.optimizers.Adam(1e-3))
    count = len(model.weights)
    trained.fit(LabelledBatches(ReplayedExamples(examples, "stars"), batch_size=6), epochs=2, verbose=0)
    moved = np.abs(array(table.value) - start).max(axis=0)
    assert moved[0] < 2e-3 < moved[1]
    assert len(model.weights) == count  # the penalty is not the model's


def test_refusals() -> None:
    model = vector_tasks()
    state = consolidate(None, [np.zeros(2)], [np.zeros(2)])
    with pytest.raises(InputError, match="strength of the penalty is -1"):
        ConsolidatedModel(model, state, -1)
