from __future__ import annotations

import signal
import threading
from typing import Any

import pytest

from kpt.distribution.host_values import HostsVote
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


class Vote:
    """Stands for what several hosts want: nothing until they ask each other, at the third step."""

    def __init__(self, others: int) -> None:
        self.others, self.steps, self.waited = others, 0, 0

    def largest(self, wanted: int) -> int:
        self.steps += 1
        return max(wanted, self.others) if self.steps == 3 else 0

    def largest_now(self, wanted: int) -> int:
        return max(wanted, self.others)

    def wait(self) -> None:
        self.waited += 1


def test_another_host_is_left_together_with() -> None:
    vote: Any = Vote(others=2)
    with Interruption() as interruption:
        interruption._vote = interruption._evaluation_vote = vote
        interruption.on_train_batch_end(0)
        interruption.on_test_batch_end(0)
        with pytest.raises(Terminated):
            interruption.on_train_batch_end(1)
        assert interruption.heard and not interruption.asked
        assert isinstance(interruption.with_message("go on"), Terminated)
        interruption.wait_for_hosts()
    assert vote.waited == 1


def test_each_has_a_vote_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kpt.training.interruption.HostValues.of", lambda model: "hosts")
    interruption = Interruption()
    interruption.on_train_begin()
    votes = interruption._vote, interruption._evaluation_vote
    assert votes[0] is not votes[1] and all(isinstance(vote, HostsVote) for vote in votes)
    interruption.on_train_begin()
    assert votes == (interruption._vote, interruption._evaluation_vote)


def test_training_and_evaluation_are_asked_at_their_own_pace() -> None:
    training: Any = Vote(others=0)
    evaluation: Any = Vote(others=1)
    with Interruption() as interruption:
        interruption._vote, interruption._evaluation_vote = training, evaluation
        interruption.on_train_batch_end(0)
        interruption.on_test_batch_end(0)
        interruption.on_test_batch_end(1)
        assert (training.steps, evaluation.steps) == (1, 2)
        with pytest.raises(KeyboardInterrupt):
            interruption.on_test_batch_end(2)


def test_a_signal_waits_until_the_hosts_ask_each_other() -> None:
    vote: Any = Vote(others=0)
    with Interruption() as interruption:
        interruption._vote = vote
        signal.raise_signal(signal.SIGINT)
        interruption.on_train_batch_end(0)
        interruption.on_train_batch_end(1)
        assert not interruption.heard
        with pytest.raises(KeyboardInterrupt):
            interruption.on_train_batch_end(2)


def test_a_signal_after_the_last_question_is_told_at_the_end() -> None:
    vote: Any = Vote(others=2)
    with Interruption() as interruption:
        interruption._vote = vote
        interruption.on_train_batch_end(0)
        interruption.on_train_end()
        assert interruption.asked and not interruption.heard
        assert isinstance(interruption.with_message("go on"), Terminated)


def test_hosts_that_do_not_know_are_not_waited_for() -> None:
    vote: Any = Vote(others=0)
    with Interruption() as interruption:
        interruption._vote = vote
        interruption.on_train_end()
        signal.raise_signal(signal.SIGINT)
        interruption.wait_for_hosts()
    assert interruption.asked and vote.waited == 0


def test_alone_nobody_is_waited_for() -> None:
    Interruption().wait_for_hosts()
