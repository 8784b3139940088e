"""How the next token is chosen: the settings, and the choice as a pure function."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from keras import ops

from kpt.errors import InputError
from kpt.generation.logits import (
    NEVER,
    forbid_repeated_ngrams,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    penalize_repetition,
)

__all__ = ["Sampling", "adjust", "draw", "sample", "sample_by_tensors"]


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen from the logits; the defaults take the most probable one.

    The steps follow one another in this order: `repetition_penalty`, `no_repeat_ngram_size`, `temperature`, `top_k`,
    `top_p`, `min_p`.

    Attributes:
        temperature: What the logits are divided by. 0 takes the most probable token; by default 1 if any of `top_k`,
            `top_p` and `min_p` is given, and else 0.
        top_k: Draw from that many most probable tokens; `None` or 0: from all.
        top_p: Draw from the most probable tokens that reach this probability together; `None`: from all.
        min_p: Draw from tokens at least this many times as probable as the most probable one; `None`: from all.
        repetition_penalty: What the logits of tokens that occurred are divided by (multiplied if negative).
        no_repeat_ngram_size: No sequence of so many tokens occurs twice in prompt and text; 0: any may.

    Raises:
        InputError: A value is out of its range.

    Example:
        >>> Sampling().temperature, Sampling(top_k=40).temperature, Sampling(temperature=0.7).temperature
        (0.0, 1.0, 0.7)
    """

    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 0

    def __post_init__(self) -> None:
        draws = any(each is not None for each in (self.top_k, self.top_p, self.min_p))
        if self.temperature is None:
            object.__setattr__(self, "temperature", 1.0 if draws else 0.0)
        if not 0 <= (self.temperature or 0) < math.inf:
            raise InputError(
                f"temperature is {self.temperature}; give 0 for the most probable token or a positive number"
            )
        if self.top_k is not None and self.top_k < 0:
            raise InputError(f"top_k is {self.top_k}; give the number of tokens to draw from, or 0 for all")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise InputError(f"top_p is {self.top_p}; give a probability above 0, and 1 for all tokens")
        if self.min_p is not None and not 0 <= self.min_p <= 1:
            raise InputError(f"min_p is {self.min_p}; give a number from 0 to 1")
        if not 0 < self.repetition_penalty < math.inf:
            raise InputError(f"repetition_penalty is {self.repetition_penalty}; give a positive number, 1 for none")
        if self.no_repeat_ngram_size < 0:
            raise InputError(f"no_repeat_ngram_size is {self.no_repeat_ngram_size}; give a size, or 0 for no limit")

    @property
    def draws(self) -> bool:
        """Whether chance decides."""
        return bool(self.temperature)

    @property
    def shape(self) -> tuple[Any, ...]:
        """What a compiled loop is made for; the numbers beside it are its arguments."""
        return (
            self.draws,
            self.top_k or 0,
            self.draws and (self.top_p or 1.0) < 1,
            self.draws and (self.min_p or 0.0) > 0,
            self.repetition_penalty != 1,
            self.no_repeat_ngram_size,
        )

    @property
    def numbers(self) -> list[float]:
        """Temperature, top_p, min_p and repetition_penalty."""
        return [self.temperature or 1.0, self.top_p or 1.0, self.min_p or 0.0, self.repetition_penalty]


def adjust(logits: Any, token_ids: Any, used: Any, last: Any, shape: tuple[Any, ...], numbers: Any) -> Any:
    """Apply what looks at the tokens so far: the repetition penalty, then the ban of repeated sequences.

    Args:
        logits: float32 `[batch, tokens]`.
        token_ids: int32 `[batch, slots]`.
        used: Booleans `[batch, slots]`, `True` at slots that hold a token.
        last: The slot of the newest token.
        shape: `Sampling.shape`.
        numbers: `Sampling.numbers`, a tensor or a list.

    Returns:
        float32 `[batch, tokens]`.
    """
    _, _, _, _, penalizes, size = shape
    if penalizes:
        logits = penalize_repetition(logits, token_ids, used, numbers[3])
    return forbid_repeated_ngrams(logits, token_ids, used, last, size) if size else logits


def sample(logits: Any, uniform: Any, shape: tuple[Any, ...], numbers: Any) -> Any:
    """Choose a token of each row.

    Args:
        logits: float32 `[batch, tokens]`, adjusted.
        uniform: float32 `[batch]`, numbers in [0, 1); not looked at where chance does not decide.
        shape: `Sampling.shape`.
        numbers: `Sampling.numbers`, a tensor or a list.

    Returns:
        int32 `[batch]`.
    """
    draws, top_k, has_top_p, has_min_p, _, _ = shape
    if not draws:
        return ops.cast(ops.argmax(logits, axis=-1), "int32")
    logits = logits / numbers[0]
    kept = logits
    if 0 < top_k < logits.shape[-1]:
        kept = ops.top_k(logits, top_k)[0]  # what follows is then as cheap as k tokens
    if has_top_p:
        kept = keep_top_p(kept, numbers[1])
    if has_min_p:
        kept = keep_min_p(kept, numbers[2])
    if kept is not logits:
        smallest = ops.min(ops.where(kept > NEVER, kept, float("inf")), axis=-1, keepdims=True)
        logits = ops.where(logits < smallest, NEVER, logits)
    return draw(logits, uniform)


def draw(logits: Any, uniform: Any) -> Any:
    r"""Draw a token of each row with the probabilities that its logits stand for, by the inverse of their sums.

    .. math:: \min \{i : p_i > 0,\; \sum_{j \le i} p_j > u \sum_j p_j\}

    Args:
        logits: `[batch, tokens]`; a token with `-inf` is never drawn.
        uniform: float32 `[batch]`, u in [0, 1).

    Returns:
        int32 `[batch]`.
    """
    probabilities = ops.softmax(logits, axis=-1)
    possible = probabilities > 0
    sums = ops.cumsum(probabilities, axis=-1)
    # The largest sum, not the last: sums that are added up in parallel need not be ascending to the last bit.
    total = ops.max(ops.where(possible, sums, 0.0), axis=-1)
    reached = ops.logical_and(possible, sums > (uniform * total)[:, None])
    return ops.cast(ops.argmax(ops.cast(reached, "int32"), axis=-1), "int32")


def sample_by_tensors(logits: Any, uniform: Any, temperature: Any, top_k: Any, top_p: Any) -> Any:
    """Choose a token of each row by settings that are only known when the graph runs.

    Args:
        logits: float32 `[batch, tokens]`.
        uniform: float32 `[batch]`, numbers in [0, 1).
        temperature: float32 scalar; 0: the most probable token.
        top_k: int32 scalar; 0: all tokens.
        top_p: float32 scalar; 1: all tokens.

    Returns:
        int32 `[batch]`.
    """

    def most_probable() -> Any:
        return ops.cast(ops.argmax(logits, axis=-1), "int32")

    def drawn() -> Any:
        scaled = logits / temperature
        kept = ops.cond(top_k > 0, lambda: keep_top_k(scaled, top_k), lambda: scaled)
        return draw(ops.cond(top_p < 1, lambda: keep_top_p(kept, top_p), lambda: kept), uniform)

    return ops.cond(temperature > 0, drawn, most_probable)
