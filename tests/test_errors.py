from __future__ import annotations

import pytest

import kpt
from kpt.errors import InputError


def test_it_is_a_value_error_and_public() -> None:
    assert kpt.InputError is InputError
    with pytest.raises(ValueError, match="steps is 0"):
        raise InputError("steps is 0; give a positive number of steps")
