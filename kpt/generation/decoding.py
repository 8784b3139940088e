"""A batch of prompts on its way through a model: what is compiled, and the host's hold on it between two calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from kpt.generation import beams, loop
from kpt.generation.compiled import compiled
from kpt.generation.prompts import bucket, left_padded
from kpt.generation.sampling import Sampling, adjust, sample
from kpt.generation.uniform import uniform

__all__ = ["Decoding", "beam_search"]


class Decoding:
    """A batch that is decoded step by step, as far at a time as the caller wants.

    Args:
        decoder: The model.
        prompts: The ids of each row.
        limits: How many tokens each row gets at most.
        samples: The number of each row among those of its prompt.
        stops: Tokens that end a row.
        sampling: How tokens are chosen.
        seed: What chance depends on.

    Attributes:
        finished: Booleans `[batch]`, the rows that have ended.
    """

    def __init__(
        self,
        decoder: Any,
        prompts: Sequence[Sequence[int]],
        limits: Sequence[int],
        samples: Sequence[int],
        stops: Sequence[int],
        sampling: Sampling,
        seed: int,
    ) -> None:
        self._run = compiled(decoder)
        self._sampling, self._seed = sampling, _tensor(seed)
        self._state, self._rows, self._first = _prefilled(self._run, prompts, limits, samples, stops)
        self._until = self._first + max(limits)
        self._taken = np.zeros(len(prompts), np.int64)
        self._last = self._first
        self.finished = np.zeros(len(prompts), np.bool_)

    def advance(self, steps: int | None = None) -> list[list[int]]:
        """Decode some steps, or to the end, and return the new tokens of each row, those that stop it left out."""
        until = self._until if steps is None else min(self._until, self._last + steps)
        arguments = (self._state, self._rows, _tensor(until), self._seed, _tensor(self._sampling.numbers, "float32"))
        self._state = self._run(_advance, arguments, (self._sampling.shape,), hands_over=True)
        self._last = int(self._state.last)
        token_ids, counts = ops.convert_to_numpy(self._state.token_ids), ops.convert_to_numpy(self._state.counts)
        self.finished = np.array(ops.convert_to_numpy(self._state.finished))
        begin = self._first + 1
        new = [
            token_ids[row, begin + taken : begin + count].tolist()
            for row, (taken, count) in enumerate(zip(self._taken, counts, strict=True))
        ]
        self._taken = counts.astype(np.int64)
        return new

    def finish(self, row: int) -> None:
        """End a row for a reason of the caller's."""
        self.finished[row] = True
        self._state = self._state._replace(finished=_tensor(self.finished, "bool"))


def beam_search(
    decoder: Any,
    prompts: Sequence[Sequence[int]],
    limits: Sequence[int],
    stops: Sequence[int],
    sampling: Sampling,
    width: int,
    length_penalty: float,
    early_stopping: bool | str,
) -> list[list[list[int]]]:
    """Return the new tokens of the hypotheses of each prompt, best first, those that stop them left out.

    Args:
        decoder: The model.
        prompts: The ids of each row.
        limits: How many tokens each row gets at most.
        stops: Tokens that end a hypothesis.
        sampling: The repetition penalty and the ban of repeated sequences.
        width: Number of hypotheses.
        length_penalty: Exponent of the length.
        early_stopping: See `kpt.generation.beams.search`.
    """
    run = compiled(decoder)
    state, rows, first = _prefilled(run, prompts, limits, [0] * len(prompts), stops)
    state = run(_start_beams, (state,), (width,))
    numbers = _tensor(sampling.numbers, "float32")
    arguments = (state, rows, numbers, _tensor(first + max(limits)), _tensor(length_penalty, "float32"))
    state = run(beams.search, arguments, (sampling.shape, early_stopping), hands_over=True)
    token_ids, counts = ops.convert_to_numpy(state.ended), ops.convert_to_numpy(state.counts)
    begin = first + 1
    return [
        [token_ids[row, beam, begin : begin + counts[row, beam]].tolist() for beam in range(width)]
        for row in range(len(prompts))
    ]


def _prefilled(
    run: Any, prompts: Sequence[Sequence[int]], limits: Sequence[int], samples: Sequence[int], stops: Sequence[int]
) -> tuple[loop.State, loop.Rows, int]:
    """The state after the prompts, what does not change, and the slot of the prompts' last tokens."""
    columns = min(bucket(max(2, *(len(prompt) for prompt in prompts))), run.model.maximum_length)
    padded = left_padded(prompts, columns)
    rows = loop.Rows(_tensor(padded.starts), _tensor(limits), _tensor(samples), _tensor(stops))
    state = run(loop.prefill, (_tensor(padded.token_ids), rows.starts), (columns + bucket(max(limits)),))
    return state, rows, columns - 1


def _tensor(values: Any, dtype: str = "int32") -> Any:
    return ops.convert_to_tensor(np.asarray(values, dtype))


def _start_beams(decoder: Any, state: loop.State, width: int) -> beams.Beams:
    return beams.start(state, width)


def _advance(
    decoder: Any, state: loop.State, rows: loop.Rows, until: Any, seed: Any, numbers: Any, shape: tuple[Any, ...]
) -> loop.State:
    return loop.advance(decoder, state, rows, until, _Choice(shape), (rows.samples, seed, numbers))


@dataclass(frozen=True)
class _Choice:
    """Chooses tokens by settings; two of the same settings are equal, and so is what is recorded of them."""

    shape: tuple[Any, ...]

    def __call__(
        self,
        logits: Any,
        token_ids: Any,
        used: Any,
        last: Any,
        positions: Any,
        samples: Any,
        seed: Any,
        numbers: Any,
    ) -> Any:
        logits = adjust(logits, token_ids, used, last, self.shape, numbers)
        return sample(logits, uniform(seed, samples, positions), self.shape, numbers)
