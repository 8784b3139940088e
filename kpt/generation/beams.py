r"""Beam search: the best hypotheses go on, all at once, and those that have ended are ranked.

.. math:: \frac{1}{n^\alpha} \sum_{t=1}^{n} \log p(y_t \mid y_{<t}, x)

with n the number of new tokens and \alpha the length penalty. It keeps, ends and ranks as Hugging Face's `generate`
does, so that the same weights give the same sequences.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
from keras import ops

from kpt.generation.loop import Rows, State, next_logits, stopping, used_slots, write_column
from kpt.generation.recordings import while_loop
from kpt.generation.sampling import adjust

__all__ = ["Beams", "search", "start"]

WORST = -1e9


class Beams(NamedTuple):
    """A beam search under way, with k hypotheses a row that go on, and k that have ended.

    Attributes:
        last: int32 scalar, the slot of the newest token.
        generated: int32 scalar, how many tokens those that go on have got.
        running: int32 `[batch, k, slots]`, the tokens of those that go on, best first.
        running_scores: float32 `[batch, k]`, their log-probabilities.
        ended: int32 `[batch, k, slots]`, the tokens of those that ended, best first.
        scores: float32 `[batch, k]`, what these are ranked by.
        counts: int32 `[batch, k]`, how many new tokens these have, the one that stopped them left out.
        done: Booleans `[batch, k]`, whether these are there yet.
        improvable: Booleans `[batch]`, whether one that goes on may still become better than the worst that ended.
        exhausted: Boolean scalar, whether all hypotheses of all rows are as long as they may be.
        cache: What the model remembers, rows `[batch * k]`.
    """

    last: Any
    generated: Any
    running: Any
    running_scores: Any
    ended: Any
    scores: Any
    counts: Any
    done: Any
    improvable: Any
    exhausted: Any
    cache: Any


def start(state: State, beams: int) -> Beams:
    """Return the search whose k hypotheses are all of them the prompt; only the first counts, so that they differ.

    Args:
        state: What `prefill` returned, one row a prompt.
        beams: k.
    """
    running = ops.repeat(state.token_ids[:, None], beams, axis=1)
    first = ops.where(ops.arange(beams)[None, :] == 0, 0.0, WORST)
    zeros = ops.zeros_like(running[:, :, 0])
    # Not `repeat`, which on PyTorch may give rows that are one place in memory: the model writes into them.
    origin = ops.arange(ops.shape(zeros)[0] * beams, dtype="int32") // beams
    return Beams(
        last=state.last,
        generated=ops.zeros((), dtype="int32"),
        running=running,
        running_scores=ops.cast(first + ops.cast(zeros, "float32"), "float32"),
        ended=running,
        scores=ops.cast(zeros, "float32") + WORST,
        counts=zeros,
        done=zeros > 0,
        improvable=zeros[:, 0] == 0,
        exhausted=ops.any(zeros > 0),
        cache=keras.tree.map_structure(lambda leaf: ops.take(leaf, origin, axis=0), state.cache),
    )


def search(
    decoder: Any, state: Beams, rows: Rows, numbers: Any, until: Any, length_penalty: Any, shape: Any, early: Any
) -> Beams:
    """Search until no hypothesis can become better, or the newest token is in a given slot.

    Args:
        decoder: The model.
        state: Where to go on; its cache is not to be used any more.
        rows: What does not change, one row a prompt.
        numbers: `Sampling.numbers`, a tensor.
        until: int32 scalar, a slot.
        length_penalty: float32 scalar, the exponent of the length.
        shape: `Sampling.shape`.
        early: `True` to end a row when k hypotheses have ended; `False` when the best one that goes on, ended now,
            would not be among the k; `"never"` when it could not even at the length that suits it best.
    """
    batch, beams, _ = state.running.shape
    if batch is None:
        batch = ops.shape(state.running)[0]
    # Candidates enough to go on with k even if the k best all end.
    candidates = max(2, 1 + rows.stops.shape[0]) * beams
    starts = ops.repeat(rows.starts, beams, axis=0)

    def goes_on(*values: Any) -> Any:
        beam = Beams(*values)
        alive = ops.logical_and(ops.any(beam.improvable), ops.logical_not(beam.exhausted))
        if early is True:
            alive = ops.logical_and(alive, ops.logical_not(ops.all(beam.done)))
        return ops.logical_and(alive, beam.last < until)

    def step(*values: Any) -> Beams:
        beam = Beams(*values)
        flat = ops.reshape(beam.running, (batch * beams, beam.running.shape[2]))
        logits, cache = next_logits(decoder, flat, beam.last, starts, beam.cache)
        slots = flat.shape[1]
        used = ops.logical_and(used_slots(starts, slots), ops.arange(slots, dtype="int32")[None, :] <= beam.last)
        scores = adjust(ops.log_softmax(logits, axis=-1), flat, used, beam.last, shape, numbers)
        vocabulary = logits.shape[-1]
        scores = ops.reshape(scores, (batch, beams, vocabulary)) + beam.running_scores[:, :, None]
        best, index = ops.top_k(ops.reshape(scores, (batch, beams * vocabulary)), candidates)
        parents, chosen = ops.cast(index // vocabulary, "int32"), ops.cast(index % vocabulary, "int32")
        last, generated = beam.last + 1, beam.generated + 1
        sequences = write_column(_gathered(beam.running, parents), last, chosen)
        stops = stopping(chosen, rows.stops)
        ends = ops.logical_or(stops, (generated >= rows.limits)[:, None])

        # Those that go on.
        open_scores = best + _worst_where(ends)
        running_scores, order = ops.top_k(open_scores, beams)
        running = _gathered(sequences, order)
        origin = _gathered(parents, order) + beams * ops.arange(batch, dtype="int32")[:, None]
        cache = keras.tree.map_structure(lambda leaf: ops.take(leaf, ops.reshape(origin, (-1,)), axis=0), cache)

        # Those that have ended: only the k best candidates may.
        ends_now = ops.logical_and(ends, ops.arange(candidates)[None, :] < beams)
        closed = ops.logical_not(beam.improvable)
        if early is True:
            closed = ops.logical_or(closed, ops.all(beam.done, axis=1))
        length = ops.cast(generated, "float32")
        ranks = best / ops.power(length, length_penalty) + _worst_where(closed)[:, None]
        ranks = ranks + _worst_where(ops.logical_not(ends_now))
        ended_counts = ops.broadcast_to(generated, ops.shape(chosen)) - ops.cast(stops, "int32")
        scores, order = ops.top_k(ops.concatenate([beam.scores, ranks], axis=1), beams)
        ended = _gathered(ops.concatenate([beam.ended, sequences], axis=1), order)
        counts = _gathered(ops.concatenate([beam.counts, ended_counts], axis=1), order)
        done = _gathered(ops.concatenate([beam.done, ends_now], axis=1), order)

        longest = (
            ops.where(length_penalty > 0, ops.cast(rows.limits, "float32"), length) if early == "never" else length
        )
        possible = running_scores[:, 0] / ops.power(longest, length_penalty)
        worst = ops.where(done, ops.min(scores, axis=1, keepdims=True), WORST)
        improvable = ops.logical_and(beam.improvable, ops.any(possible[:, None] > worst, axis=1))
        exhausted = ops.all(ends)
        return Beams(
            last, generated, running, running_scores, ended, scores, counts, done, improvable, exhausted, cache
        )

    return Beams(*while_loop(goes_on, step, tuple(state)))


def _worst_where(condition: Any) -> Any:
    return ops.cast(condition, "float32") * WORST


def _gathered(values: Any, order: Any) -> Any:
    """The beams of each row in an order: `[batch, beams, ...]` and integers `[batch, kept]`."""
    order = ops.cast(order, "int32")
    return ops.take_along_axis(values, ops.reshape(order, (*ops.shape(order), *[1] * (len(values.shape) - 2))), axis=1)
