"""Ctrl-C between two steps: what was learned by then is whole and can be kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Mapping
from types import FrameType
from typing import Any, Self

import keras

__all__ = ["Interruption"]


class Interruption(keras.callbacks.Callback):
    """Lets an interruption wait for the end of the step that runs; the next one is heard at once.

    In the middle of a step the model's state may be nowhere: on JAX its old values are given away before the new ones
    are kept. It is a context manager around `fit` and the last of its callbacks, so that the others have counted the
    step. Where something else handles interruptions already, and outside the main thread, it changes nothing.

    Attributes:
        urgent: whether an interruption came before the one at hand was heard, so that nothing may take time any more.

    Example:
        >>> with Interruption() as interruption:  # doctest: +SKIP
        ...     model.fit(batches, callbacks=[interruption])
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked = self.urgent = False
        self._installed = False

    def __enter__(self) -> Self:
        ours = threading.current_thread() is threading.main_thread()
        if ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._hear)
            self._installed = True
        return self

    def __exit__(self, *error: object) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._installed = False

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Interrupt `fit` if that was asked for."""
        if self.asked:
            raise KeyboardInterrupt

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            self.urgent = True
            raise KeyboardInterrupt
        self.asked = True
