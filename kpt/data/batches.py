"""Batches by step: what `fit` is given."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol

import keras
import numpy as np

from kpt.errors import InputError
from kpt.text.vocabulary import Vocabulary

__all__ = ["Batches"]

_BLOCK = 32


class Examples(Protocol):
    """What makes examples: `SentencePairs`, `Segments`, `Windows`, `LabelledExamples`."""

    seed: int

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokenizer's pieces."""

    def examples(self, step: int, batch_size: int, rows: slice) -> Any:
        """Return rows of the batch of a step: a dict of arrays, or what else Keras takes if nothing corrupts them."""


class Corruption(Protocol):
    """What an objective does to examples."""

    def corrupt(
        self, batch: dict[str, np.ndarray], vocabulary: Vocabulary, generator: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Return the batch with the objective's inputs and labels."""


class Batches(keras.utils.PyDataset):
    """Batches of corrupted examples for `fit`, `evaluate` and `predict`, each a pure function of its step.

    Batch N depends on the example maker (its store and seed), the objectives, the batch size and N, and on nothing
    else; so to go on after N steps, pass `start_step=N`. Random numbers are drawn for blocks of 32 rows of the global
    batch, so a host makes its own rows alone and all hosts' rows together are the same whatever their number.

    `fit(batches, shuffle=False)` takes `steps` batches; `Pretrainer.fit` needs no `shuffle=False`, with other models
    Keras would else ask for the batches in an order of its own. With several epochs, each goes on where the one before
    ended, and so does `fit(batches, epochs=E, steps_per_epoch=K)` as far as `steps` reaches. With `repeat=True` every
    pass gives the same batches, as `validation_data` wants it. The next batches are made in a background thread.

    Args:
        examples: an example maker, such as `SentencePairs`.
        objectives: whose `corrupt` is applied, one after the other.
        batch_size: rows of the global batch.
        steps: number of batches of a pass.
        start_step: step of the first batch.
        host_index: which host this is.
        host_count: number of hosts; each gets `batch_size / host_count` rows in a row. `fit` of kpt's models divides
            batches of one host among those of its strategy or mesh.
        repeat: whether every pass starts again at `start_step`.
        prefetch: batches that the background thread makes ahead, or more where `fit` takes several at once
            (`steps_per_execution`); 0: none, and no thread.

    Raises:
        InputError: a number is out of its range, or the batch size is no multiple of the number of hosts.
    """

    def __init__(
        self,
        examples: Examples,
        objectives: Sequence[Corruption] = (),
        *,
        batch_size: int,
        steps: int,
        start_step: int = 0,
        host_index: int = 0,
        host_count: int = 1,
        repeat: bool = False,
        prefetch: int = 3,
    ) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        for name, value, least in (
            ("batch_size", batch_size, 1),
            ("steps", steps, 1),
            ("start_step", start_step, 0),
            ("host_count", host_count, 1),
            ("prefetch", prefetch, 0),
        ):
            if value < least:
                raise InputError(f"{name} is {value}; give at least {least}")
        self.maker, self.objectives = examples, tuple(objectives)
        self.batch_size, self.steps, self.start_step, self.repeat = batch_size, steps, start_step, repeat
        self._first_step = start_step
        self._reached = 0  # batches of this pass that were asked for
        self._in_epoch = False
        self.failure: InputError | None = None  # what a batch failed with; TensorFlow makes another error of it
        self._ahead = _Ahead(self.batch, prefetch)
        self.divide(host_index, host_count)
        self.divided = host_count > 1

    def __len__(self) -> int:
        return self.steps

    def divide(self, host_index: int, host_count: int) -> None:
        """Have this host make its rows alone from now on.

        Args:
            host_index: which host this is.
            host_count: number of hosts.

        Raises:
            InputError: there is no such host, or the batch size is no multiple of the number of hosts.
        """
        if not 0 <= host_index < host_count:
            raise InputError(f"host_index is {host_index}; give one from 0 to {host_count - 1}")
        if self.batch_size % host_count:
            raise InputError(
                f"a batch of {self.batch_size} cannot be divided among {host_count} hosts; "
                f"give a multiple of {host_count}"
            )
        share = self.batch_size // host_count
        self._rows = range(host_index * share, (host_index + 1) * share)
        self._ahead.forget()

    def made_for(self, compiled: bool) -> None:
        """Prepare for a model that is compiled for each shape of a batch, or is not; these have one shape anyway."""

    @contextmanager
    def made_ahead(self, count: int) -> Iterator[None]:
        """Have at least so many batches made ahead for a while, if any are."""
        depth = self._ahead.depth
        if not 0 < depth < count:
            yield
            return
        self._ahead.depth = count
        try:
            yield
        finally:
            self._ahead.depth = depth
            self._ahead.forget()

    def samples(self) -> list[Any]:
        """Return a few batches of the present pass that have the shapes of all of them: the first ones and the last."""
        return [*(self[index] for index in range(min(2, self.steps))), self.batch(self._first_step + self.steps - 1)]

    def __getitem__(self, index: int) -> Any:
        """Return batch `index` of the present pass.

        Raises:
            IndexError: the pass has fewer batches.
            InputError: `fit` asks for the batches in shuffled order.
        """
        if not 0 <= index < self.steps:
            raise IndexError(f"batch {index} is not below {self.steps}")
        if self._in_epoch and index > self._reached:
            raise InputError("fit asks for the batches in random order; pass shuffle=False, they are in random order")
        self._reached = index + 1 if index == 0 else max(self._reached, index + 1)
        try:
            return self._ahead.get(self._first_step + index, self._first_step + self.steps)
        except InputError as error:
            self.failure = error
            raise

    def on_epoch_begin(self) -> None:
        """Expect Keras to ask for one batch after the other."""
        self._in_epoch = True

    def on_epoch_end(self) -> None:
        """Go on with the steps after this pass, if it came to its end."""
        # Keras also calls this before the first pass, after it has looked at two batches to know their shapes.
        passed, self._in_epoch = self._in_epoch and self._reached == self.steps, False
        if passed:
            self._reached = 0
            if not self.repeat:
                self._first_step += self.steps

    def batch(self, step: int) -> Any:
        """Return this host's rows of the batch of a step, counted from 0 and not from `start_step`."""
        begin, stop = self._rows.start, self._rows.stop
        if not self.objectives:  # nothing is drawn for blocks of rows
            return self.maker.examples(step, self.batch_size, slice(begin, stop))
        blocks = range(begin // _BLOCK * _BLOCK, stop, _BLOCK)
        parts = [self._block(step, first, min(first + _BLOCK, self.batch_size)) for first in blocks]
        inside = slice(begin - blocks.start, stop - blocks.start)
        return {key: np.concatenate([part[key] for part in parts])[inside] for key in parts[0]}

    def _block(self, step: int, begin: int, stop: int) -> dict[str, np.ndarray]:
        batch = self.maker.examples(step, self.batch_size, slice(begin, stop))
        for number, objective in enumerate(self.objectives):
            generator = np.random.Generator(np.random.PCG64([self.maker.seed, step, begin, number]))
            batch = objective.corrupt(batch, self.maker.vocabulary, generator)
        return batch


class _Ahead:
    """Calls a function of the step for steps that will soon be asked for, in one background thread."""

    def __init__(self, make: Any, depth: int) -> None:
        self._make, self.depth = make, depth
        self._lock = threading.Lock()
        self._made: dict[int, Future[Any]] = {}
        self._thread: ThreadPoolExecutor | None = None

    def get(self, step: int, end: int) -> Any:
        """Return the batch of a step and have those after it, below `end`, made."""
        if not self.depth:
            return self._make(step)
        with self._lock:
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, thread_name_prefix="batches")
            wanted = range(step, min(step + 1 + self.depth, end))
            for other in self._made.keys() - set(wanted):
                self._made.pop(other).cancel()
            for other in wanted:
                if other not in self._made:
                    self._made[other] = self._thread.submit(self._make, other)
            future = self._made.pop(step)
        return future.result()

    def forget(self) -> None:
        """Make all batches anew."""
        with self._lock:
            for future in self._made.values():
                future.cancel()
            self._made.clear()
