from __future__ import annotations

import signal
import threading

import pytest

from kpt.errors import Terminated
from kpt.training.interruption import Interruption


def test_the_first_waits_for_the_end_of_the_step() -> None:
    with Interruption() as interruption:
        signal.raise_signal(signal.SIGINT)
        assert interruption.asked
        with pytest.raises(KeyboardInterrupt):
            interruption.on_train_batch_end(0)
        assert not interruption.urgent
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_one_nothing_happens() -> None:
    with Interruption() as interruption:
        interruption.on_train_batch_end(0)
    assert not interruption.asked


def test_the_second_does_not_wait() -> None:
    with Interruption() as interruption:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert interruption.urgent


def test_the_handlers_of_others_stay() -> None:
    heard: list[int] = []

    def others(number: int, frame: object) -> None:
        heard.append(number)

    old = signal.signal(signal.SIGINT, others)
    try:
        with Interruption():
            assert signal.getsignal(signal.SIGINT) is others
        assert signal.getsignal(signal.SIGINT) is others
    finally:
        signal.signal(signal.SIGINT, old)


def test_another_thread_changes_no_handler() -> None:
    seen = []

    def enter() -> None:
        with Interruption():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


def test_a_request_to_end_is_heard_likewise() -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert before is signal.SIG_DFL
    with Interruption() as interruption:
        signal.raise_signal(signal.SIGTERM)
        assert interruption.asked and not interruption.heard
        with pytest.raises(Terminated):
            interruption.on_train_batch_end(0)
        assert interruption.heard
        assert isinstance(interruption.with_message("go on"), Terminated)
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_evaluation_is_left_at_the_end_of_a_batch() -> None:
    with Interruption() as interruption:
        interruption.on_test_batch_end(0)
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            interruption.on_test_batch_end(1)
        assert interruption.heard
        error = interruption.with_message("go on")
        assert isinstance(error, KeyboardInterrupt) and str(error) == "go on"


def test_the_last_signal_says_how_to_end() -> None:
    with Interruption() as interruption:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(Terminated):
            signal.raise_signal(signal.SIGTERM)
        assert interruption.urgent and not interruption.heard
