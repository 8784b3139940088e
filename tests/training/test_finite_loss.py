from __future__ import annotations

import keras
import numpy as np
import pytest

from kpt.training.finite_loss import FiniteLoss
from tests.training.test_metrics_log import small_model


def fit(x: list[float], held_out: float = 1.0) -> keras.Model:
    model, ones = small_model(), np.ones((1, 1), np.float32)
    inputs = np.array(x, np.float32)[:, None]
    validation = (ones * held_out, ones)
    options = {"batch_size": 1, "shuffle": False, "verbose": 0, "validation_data": validation}
    model.fit(inputs, np.zeros_like(inputs), callbacks=[FiniteLoss(start_step=10)], **options)
    return model


def test_a_run_ends_at_the_first_loss_that_is_no_number() -> None:
    with pytest.raises(FloatingPointError, match=r"the loss is nan after step 12, at a learning rate of 0\.25; start"):
        fit([1.0, float("nan"), 1.0])
    with pytest.raises(FloatingPointError, match="the loss is inf after step 11, "):
        fit([1e30])


def test_held_out_documents_count_too() -> None:
    with pytest.raises(FloatingPointError, match="the loss of the held-out documents is nan after step 12"):
        fit([1.0, 1.0], held_out=float("nan"))


def test_other_runs_are_left_alone() -> None:
    assert fit([1.0, 1.0]).get_weights()[0].item() == pytest.approx(0.5)
