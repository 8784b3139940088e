"""Ctrl-C and SIGTERM between two steps: what was learned by then is whole and can be kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import FrameType
from typing import Any, Self

import keras

from kpt.distribution.host_values import HostsVote, HostValues
from kpt.errors import Terminated

__all__ = ["Interruption", "train_and_finish"]

#: How `fit` is left; what comes later counts more where hosts have different signals.
ERRORS: tuple[type[BaseException], ...] = (KeyboardInterrupt, Terminated)


class Interruption(keras.callbacks.Callback):
    """Lets Ctrl-C (SIGINT) and SIGTERM wait for the end of the step that runs; the next one is heard at once.

    In the middle of a step the model's state may be nowhere: on JAX its old values are given away before the new ones
    are kept. It is a context manager around `fit` and the last of its callbacks, so that the others have counted the
    step; `fit` then raises `KeyboardInterrupt`, or `kpt.errors.Terminated` for SIGTERM. An evaluation does not run to
    its end, but to that of a batch. What handles one of the signals already keeps it, and outside the main thread
    nothing changes.

    Of several hosts that train together one may have the signal before the others, or alone. Then all of them leave
    `fit`, after the same step: they ask each other every two seconds or so (`kpt.distribution.host_values.HostsVote`),
    and a step that takes longer is waited for.

    Attributes:
        asked: whether a signal came.
        urgent: whether another came before the one at hand was heard, so that nothing may take time any more.
        heard: whether `fit` was left at the end of a step, so that the model is whole.

    Example:
        >>> with Interruption() as interruption:  # doctest: +SKIP
        ...     model.fit(batches, callbacks=[interruption])
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked = self.urgent = self.heard = False
        self._error: type[BaseException] = KeyboardInterrupt
        self._before: dict[int, Any] = {}
        # Steps of training and batches of evaluation each have a pace of their own.
        self._vote: HostsVote | None = None
        self._evaluation_vote: HostsVote | None = None
        self._agreed = False  # all hosts know; one that has a signal after the last question ends alone

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            defaults = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
            for number, default in defaults.items():
                if signal.getsignal(number) is default:
                    self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, *error: object) -> None:
        while self._before:
            signal.signal(*self._before.popitem())

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Find out whether there are other hosts to ask."""
        if self._vote is None and (hosts := HostValues.of(self.model)):
            self._vote, self._evaluation_vote = HostsVote(hosts), HostsVote(hosts)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Leave `fit` if that was asked for."""
        self._leave(self._vote)

    def on_test_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Leave the evaluation if that was asked for; training has ended a step by then."""
        self._leave(self._evaluation_vote)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Tell the other hosts of a signal that came after they asked last."""
        if self._vote is not None and (wanted := self._vote.largest_now(self._wanted)):
            self.asked = self._agreed = True
            self._error = ERRORS[wanted - 1]

    @property
    def _wanted(self) -> int:
        return ERRORS.index(self._error) + 1 if self.asked else 0

    def wait_for_hosts(self) -> None:
        """Wait for the other hosts that have left `fit` with this one; they would miss one that ended before."""
        if self._vote is not None and self._agreed:
            self._vote.wait()

    def with_message(self, message: str) -> BaseException:
        """Return what to raise instead of the bare interruption, which says what was kept and how to go on."""
        return self._error(message)

    def _leave(self, vote: HostsVote | None) -> None:
        wanted = self._wanted if vote is None else vote.largest(self._wanted)
        if wanted:
            self.heard = self._agreed = True
            self._error = ERRORS[wanted - 1]
            raise self._error

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self._error = Terminated if number == signal.SIGTERM else KeyboardInterrupt
        if self.asked:
            self.urgent = True
            raise self._error
        self.asked = True


def train_and_finish(
    train: Callable[[Interruption], None], kept: Callable[[], str | None], finish: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """Train, and write what there is in the end, also if the training is interrupted or fails.

    Args:
        train: calls `fit`, with the interruption as the last callback.
        kept: says what an interrupted run has; None where it has nothing.
        finish: writes it, and returns the results.

    Returns:
        The results.

    Raises:
        KeyboardInterrupt: the training was interrupted; `kpt.errors.Terminated` for SIGTERM.
    """
    with Interruption() as interruption:
        try:
            train(interruption)
        except (KeyboardInterrupt, Terminated) as error:
            if interruption.heard and (words := kept()):
                raise interruption.with_message(f"interrupted; {words}") from error
            raise
        finally:
            if not interruption.urgent:
                results = finish()
                with suppress(Exception):
                    interruption.wait_for_hosts()
    return results
