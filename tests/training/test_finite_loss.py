from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from kpt.training.finite_loss import FiniteLoss, Spikes
from kpt.training.metrics_log import MetricsLog
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


def test_a_leap_is_told_of_with_the_step_to_replay(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = small_model()
    inputs = np.full((40, 1), 1.0, np.float32)
    inputs[30] = 3.0
    log = MetricsLog(tmp_path / "metrics.jsonl", start_step=10)
    options = {"batch_size": 1, "shuffle": False, "verbose": 0}
    model.optimizer.learning_rate = 0.0
    model.fit(inputs, np.zeros_like(inputs), callbacks=[log, FiniteLoss(10, log)], **options)
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("the loss leapt to 36 in step 41, from about 4.0")
    assert line.endswith("; the same command and --replay-step 41 shows its batch")


def test_leaps_stand_out_of_the_noise_before_them() -> None:
    noise = np.random.default_rng(0).normal(5.0, 0.1, 400)
    assert not any(map(Spikes().leaps, noise.tolist()))
    assert not any(map(Spikes().leaps, np.linspace(9.0, 3.0, 400).tolist()))
    noise[[10, 100, 200]] = 7.0
    spikes = Spikes()
    assert [step for step, loss in enumerate(noise.tolist()) if spikes.leaps(loss)] == [100, 200]
