from __future__ import annotations

import pytest

from kpt import InputError
from kpt.training.bert import BertSettings
from kpt.training.settings import check_choice


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"steps": 0}, "steps is 0; give 1 or more"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"size": "bsae"}, "There is no size 'bsae': choose one of tiny, .*; did you mean 'base'"),
        ({"architecture": "modrn"}, "architecture is 'modrn'; did you mean modern"),
        ({"precision": "float8"}, "precision is 'float8'; .*there are float32"),
        ({"length": 513}, "length is 513; the positions of the model allow 5 to 512"),
        ({"length": 4}, "length is 4; the positions"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; give a number above 0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"held_out": 1.0}, "held_out is 1.0; give a share between 0 and 1"),
        ({"checkpoint_every": 0}, "checkpoint_every is 0; give 1 or more"),
        ({"keep": 0}, "keep is 0; give 1 or more"),
        ({"seed": -1}, "seed is -1; give a whole number from 0"),
        ({"seed": 2**63}, "seed is 9223372036854775808"),
        ({"warmup_steps": 10}, "warmup_steps is 10 of 10 steps"),
    ],
)
def test_wrong_settings(wrong: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        BertSettings(**{"steps": 10, **wrong})


def test_what_follows_from_the_settings() -> None:
    settings = BertSettings(steps=10, evaluations=3, batch_size=4, length=24)
    assert (settings.interval, settings.tokens_per_step, settings.peak) == (4, 96, 1.5e-3)
    assert settings.model_config["positions"] == "rotary"
    assert BertSettings(steps=10, architecture="published").peak == 5e-4


def test_the_optimizer_has_the_schedule_of_the_run() -> None:
    optimizer = BertSettings(steps=10, warmup_steps=2, learning_rate=0.5).optimizer()
    schedule = optimizer.get_config()["learning_rate"]["config"]
    assert (schedule["steps"], schedule["warmup_steps"], schedule["decay"]) == (10, 2, "cosine")
    assert schedule["peak"] == 0.5


def test_a_choice() -> None:
    check_choice("kind", "a", ("a", "b"))
    with pytest.raises(InputError, match=r"^kind is 'c'; there are a1, b2$"):
        check_choice("kind", "c", ("a1", "b2"))
