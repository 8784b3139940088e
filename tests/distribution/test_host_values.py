from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kpt.distribution import host_values
from kpt.distribution.host_values import HostsVote, HostValues, steps_within
from tests.distribution.processes import run_together

# Host 1 alone is told to end, in its fourth step; both leave `fit` after the same one and say so.
TRAINING = """
import signal
import keras
import numpy as np
from kpt.distribution import choose_devices
from kpt.distribution.host_values import HostValues
from kpt.errors import Terminated
from kpt.tasks import Classifier
from kpt.training.interruption import Interruption
from tests.tasks.small_task import LABELS, TEXTS, small_encoder, small_tokenizer

devices = choose_devices()
index = devices.host_index
if devices.strategy is not None:
    found = HostValues(devices.strategy).gather([index + 0.1, 1e9 + 1])
else:
    found = HostValues().gather([index + 0.1, 1e9 + 1])
assert found.tolist() == [[0.1, 1e9 + 1], [1.1, 1e9 + 1]], found

class Signal(keras.callbacks.Callback):
    steps = 0
    def on_train_batch_begin(self, batch, logs=None):
        self.steps += 1
        if index == 1 and self.steps == 4:
            signal.raise_signal(signal.SIGTERM)

with devices.scope():
    tokenizer = small_tokenizer()
    if devices.strategy is not None:
        model = Classifier(small_encoder(tokenizer), ["neg", "pos"], tokenizer=tokenizer)
        model.compile("sgd")
    else:
        rows = np.ones((40, 4), "float32")
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
    signals, options = Signal(), {"batch_size": 4, "epochs": 999, "verbose": 0}
    with Interruption() as interruption:
        try:
            x, y = (TEXTS, LABELS) if devices.strategy is not None else (rows, rows[:, :1])
            model.fit(x, y, callbacks=[signals, interruption], **options)
        except Terminated:
            assert interruption.heard
            interruption.wait_for_hosts()
            print("left after", signals.steps)
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_hosts_leave_together_when_one_of_them_is_told_to_end(backend: str) -> None:
    first, second = (output.splitlines()[-1] for output in run_together(["-c", TRAINING], count=2, backend=backend))
    assert first == second and first.startswith("left after ")
    assert 4 <= int(first.split()[-1]) < 2_000


class Hosts:
    """Stands for another host, which has taken so many seconds for a step and wants nothing, or something later."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.wanted = seconds, 0
        self.asked: list[list[float]] = []

    def gather(self, values: list[float]) -> np.ndarray:
        self.asked.append(values)
        return np.array([values, [self.wanted, self.seconds]])


def test_hosts_ask_each_other_as_often_as_the_slowest_one_says() -> None:
    hosts: Any = Hosts(0.25)
    vote = HostsVote(hosts)
    assert [vote.largest(0) for _ in range(17)] == [0] * 17
    assert len(hosts.asked) == 3  # after steps 1, 9 and 17
    assert [vote.largest(2) for _ in range(8)] == [0] * 7 + [2]
    hosts.wanted = 1
    assert [vote.largest(0) for _ in range(8)] == [0] * 7 + [1]


def test_its_own_steps_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(np.arange(0.0, 100.0, 0.5))
    monkeypatch.setattr(host_values.time, "perf_counter", lambda: next(clock))
    hosts: Any = Hosts(1e-6)
    vote = HostsVote(hosts)  # the clock is read before and after each question
    vote.largest(0)
    assert hosts.asked == [[0, 0.5]] and steps_within(host_values.SECONDS, 0.5) == 4
    for _ in range(4):
        vote.largest(0)
    assert len(hosts.asked) == 2 and hosts.asked[1] == [0, 0.5 / 4]


def test_one_host_has_no_other_to_ask() -> None:
    import keras

    assert HostValues.of(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])) is None
