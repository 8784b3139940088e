from __future__ import annotations

import keras
import numpy as np
import pytest

from kpt.errors import InputError
from kpt.training.schedule import WarmupDecay


def rates(schedule: WarmupDecay, steps: list[int]) -> list[float]:
    return [float(schedule(step)) for step in steps]


def test_linear() -> None:
    schedule = WarmupDecay(8.0, steps=12, warmup_steps=4)
    assert rates(schedule, list(range(14))) == pytest.approx([2, 4, 6, 8, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0], abs=1e-6)


def test_cosine() -> None:
    schedule = WarmupDecay(8.0, steps=6, warmup_steps=2, decay="cosine")
    half = np.sqrt(0.5)
    assert rates(schedule, list(range(8))) == pytest.approx([4, 8, 8, 4 + 4 * half, 4, 4 - 4 * half, 0, 0], abs=1e-6)


def test_constant() -> None:
    assert rates(WarmupDecay(8.0, steps=6, warmup_steps=2, decay="constant"), [0, 1, 2, 5, 99]) == [4, 8, 8, 8, 8]


def test_a_floor_is_a_share_of_the_peak() -> None:
    schedule = WarmupDecay(8.0, steps=4, floor=0.25)
    assert rates(schedule, [0, 1, 2, 3, 4, 5]) == pytest.approx([8, 6.5, 5, 3.5, 2, 2])


def test_no_warm_up() -> None:
    assert rates(WarmupDecay(8.0, steps=4), [0, 1, 2, 3, 4]) == [8, 6, 4, 2, 0]


def test_long_runs_keep_their_precision() -> None:
    schedule = WarmupDecay(1e-4, steps=1_000_000, warmup_steps=10_000)
    assert rates(schedule, [0, 9_999, 505_000]) == pytest.approx([1e-8, 1e-4, 5e-5], rel=1e-5)


def test_it_is_saved() -> None:
    schedule = WarmupDecay(1e-3, steps=10, warmup_steps=2, decay="cosine", floor=0.1)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert isinstance(again, WarmupDecay)
    assert again.get_config() == {"peak": 1e-3, "steps": 10, "warmup_steps": 2, "decay": "cosine", "floor": 0.1}


def test_bad_arguments() -> None:
    with pytest.raises(InputError, match="Unknown decay 'step'; choose linear, cosine or constant"):
        WarmupDecay(1.0, steps=10, decay="step")
    for warmup in (10, -1):
        with pytest.raises(InputError, match=f"{warmup} warm-up steps do not fit into 10 steps"):
            WarmupDecay(1.0, steps=10, warmup_steps=warmup)
