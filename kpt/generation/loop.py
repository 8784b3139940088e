"""Decoding with a key/value cache: prompts into the cache, then a loop of one token a row; pure functions.

Prompts of different lengths stand in one batch with padding before them, so that all rows get their next token in the
same slot: slot i of row r holds the token at position i - starts[r].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
from keras import ops

from kpt.generation.recordings import recorded, while_loop

__all__ = ["Rows", "State", "advance", "next_logits", "prefill", "stopping", "used_slots", "write_column"]


class Rows(NamedTuple):
    """What does not change while a batch is decoded.

    Attributes:
        starts: int32 `[batch]`, the slot of the first token of each row.
        limits: int32 `[batch]`, how many tokens a row gets at most.
        samples: int32 `[batch]`, the number of a row among those of its prompt.
        stops: int32 `[stops]`, the tokens that end a row.
    """

    starts: Any
    limits: Any
    samples: Any
    stops: Any


class State(NamedTuple):
    """A batch while it is decoded.

    Attributes:
        last: int32 scalar, the slot of the newest token.
        token_ids: int32 `[batch, slots]`.
        counts: int32 `[batch]`, how many new tokens a row has, the one that stopped it left out.
        finished: Booleans `[batch]`.
        cache: What the model remembers of all tokens before the newest.
    """

    last: Any
    token_ids: Any
    counts: Any
    finished: Any
    cache: Any


def prefill(decoder: Any, prompts: Any, starts: Any, length: Any) -> State:
    """Read prompts into a new cache, all tokens but the last of each, which the first step of the loop reads.

    Args:
        decoder: The model.
        prompts: int32 `[batch, prompt length]`, two or more columns.
        starts: int32 `[batch]`, the slot of the first token of each row.
        length: Number of slots, from the prompt length up; where it is a tensor, the model's positions are the most.

    Returns:
        The state before the first step.
    """
    return State(*recorded(_prefill, decoder, (prompts, starts), (length,)))


def _prefill(decoder: Any, prompts: Any, starts: Any, length: Any) -> State:
    batch, size = ops.shape(prompts)[0], ops.shape(prompts)[1]
    cache = _empty_cache(decoder, batch, length)
    positions = ops.maximum(ops.arange(size, dtype="int32")[None, :] - starts[:, None], 0)
    outputs = decoder(
        {"token_ids": prompts[:, :-1], "positions": positions[:, :-1]},
        training=False,
        cache=cache,
        cache_index=0,
        key_mask=used_slots(starts, length),
    )
    token_ids = ops.pad(prompts, [[0, 0], [0, length - size]])
    counts = ops.zeros_like(starts)
    return State(ops.cast(size - 1, "int32"), token_ids, counts, counts > 0, outputs["cache"])


def _empty_cache(decoder: Any, batch: Any, length: Any) -> Any:
    """An empty cache, which with padding before short prompts may have more slots than the model has positions."""
    longest = decoder.maximum_length
    if not isinstance(length, int) or length <= longest:
        return decoder.empty_cache(batch, length)
    rest = [[0, 0], [0, 0], [0, length - longest], [0, 0]]
    return keras.tree.map_structure(lambda leaf: ops.pad(leaf, rest), decoder.empty_cache(batch, longest))


def used_slots(starts: Any, length: Any) -> Any:
    """Return which slots are not padding: booleans `[batch, length]`; causality takes care of those still empty."""
    return ops.arange(length, dtype="int32")[None, :] >= starts[:, None]


def next_logits(decoder: Any, token_ids: Any, last: Any, starts: Any, cache: Any) -> tuple[Any, Any]:
    """Return the logits of the token after the newest, float32 `[batch, vocabulary]`, and the cache with the newest.

    Args:
        decoder: The model.
        token_ids: int32 `[batch, slots]`.
        last: int32 scalar, the slot of the newest token.
        starts: int32 `[batch]`, the slot of the first token of each row.
        cache: What the model remembers of all tokens before the newest.
    """
    return recorded(_next_logits, decoder, (token_ids, last, starts, cache))


def _next_logits(decoder: Any, token_ids: Any, last: Any, starts: Any, cache: Any) -> tuple[Any, Any]:
    newest = ops.take(token_ids, last, axis=1)[:, None]
    # Rows that have ended are still computed, and what comes of it is not used: there need be no position for them.
    positions = ops.minimum(last - starts, decoder.maximum_length - 1)
    outputs = decoder(
        {"token_ids": newest, "positions": positions[:, None]},
        training=False,
        cache=cache,
        cache_index=last,
        key_mask=used_slots(starts, ops.shape(token_ids)[1]),
    )
    return ops.cast(decoder.logits(outputs["sequence"])[:, 0], "float32"), outputs["cache"]


def stopping(token_ids: Any, stops: Any) -> Any:
    """Return whether each token ends its row: booleans of the tokens' shape.

    Args:
        token_ids: int32, any shape.
        stops: int32 `[stops]`.
    """
    return ops.any(ops.equal(token_ids[..., None], stops), axis=-1)


def advance(
    decoder: Any, state: State, rows: Rows, until: Any, choose: Callable[..., Any], given: tuple[Any, ...] = ()
) -> State:
    """Decode until all rows have ended, or the newest token is in a given slot.

    Args:
        decoder: The model.
        state: Where to go on; its cache is not to be used any more.
        rows: What does not change.
        until: int32 scalar, a slot.
        choose: A function of logits float32 `[batch, vocabulary]`, token ids `[batch, slots]`, which of these are used
            `[batch, slots]`, the newest token's slot, the positions of the tokens to be chosen `[batch]`, and what is
            `given`; it returns these tokens, int32 `[batch]`.
        given: Tensors for `choose`, which must hold none itself where `Compiled` runs this: a function that is equal to
            it is taken for it.

    Returns:
        The state after it.
    """

    def goes_on(last: Any, token_ids: Any, counts: Any, finished: Any, cache: Any) -> Any:
        return ops.logical_and(last < until, ops.logical_not(ops.all(finished)))

    def step(*parts: Any) -> State:
        return recorded(_step, decoder, (parts, rows, given), (choose,))

    return State(*while_loop(goes_on, step, tuple(state)))


def _step(decoder: Any, state: tuple[Any, ...], rows: Rows, given: tuple[Any, ...], choose: Any) -> State:
    last, token_ids, counts, finished, cache = state
    slots = ops.shape(token_ids)[1]
    logits, cache = next_logits(decoder, token_ids, last, rows.starts, cache)
    filled = ops.arange(slots, dtype="int32")[None, :] <= last
    used = ops.logical_and(used_slots(rows.starts, slots), filled)
    chosen = choose(logits, token_ids, used, last, last + 1 - rows.starts, *given)
    stops = stopping(chosen, rows.stops)
    grows = ops.logical_and(ops.logical_not(finished), ops.logical_not(stops))
    counts = counts + ops.cast(grows, "int32")
    finished = ops.logical_or(ops.logical_or(finished, stops), counts >= rows.limits)
    last = last + 1
    return State(last, write_column(token_ids, last, chosen), counts, finished, cache)


def write_column(token_ids: Any, slot: Any, values: Any) -> Any:
    """Return tokens with one slot of each row written anew.

    Args:
        token_ids: int32 `[..., slots]`.
        slot: int32 scalar.
        values: int32 `[...]`.
    """
    here = ops.arange(ops.shape(token_ids)[-1], dtype="int32") == slot
    return ops.where(here, values[..., None], token_ids)
