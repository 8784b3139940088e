from __future__ import annotations

import numpy as np
import pytest

from kpt.layers import truncated_normal, zeros_instead
from tests.numbers import array


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_a_normal_distribution_cut_at_two_deviations(scale: float) -> None:
    values = array(truncated_normal(scale)((400, 500))) / (0.02 * scale)
    assert (np.abs(values) > 2.0).mean() < 2e-5  # on PyTorch Keras gives up cutting after four draws: 4e-6 of them
    assert (np.abs(values) > 1.9).mean() == pytest.approx(0.0125, abs=0.002)
    assert values.mean() == pytest.approx(0.0, abs=0.01)
    assert values.std() == pytest.approx(0.8796, abs=0.005)  # of a standard normal cut at 2


def test_each_call_gives_a_fresh_one() -> None:
    assert truncated_normal() is not truncated_normal()
    assert not np.array_equal(array(truncated_normal()((4, 4))), array(truncated_normal()((4, 4))))


def test_zeros_instead() -> None:
    with zeros_instead():
        assert not array(truncated_normal()((4, 4))).any()
    assert array(truncated_normal()((4, 4))).all()
