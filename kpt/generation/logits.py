"""What is done to the logits of the next token before one is chosen: pure functions, `-inf` where a token is out."""

from __future__ import annotations

from typing import Any

from keras import ops

from kpt.layers import count_tokens

__all__ = [
    "NEVER",
    "forbid_repeated_ngrams",
    "keep_min_p",
    "keep_top_k",
    "keep_top_p",
    "penalize_repetition",
]

#: The logit of a token that is out.
NEVER = float("-inf")


def keep_top_k(logits: Any, k: Any) -> Any:
    """Keep the k largest logits of each row, and those that equal the smallest of them.

    Args:
        logits: `[batch, tokens]`.
        k: An integer, from 1 up; may be a scalar tensor. More than there are tokens keep all.

    Returns:
        `[batch, tokens]`, `-inf` at tokens that are out.

    Example:
        >>> keep_top_k(ops.convert_to_tensor([[1.0, 3.0, 2.0]]), 2).tolist()  # doctest: +SKIP
        [[-inf, 3.0, 2.0]]

    Source: Fan et al. 2018, "Hierarchical Neural Story Generation".
    """
    if isinstance(k, int):
        smallest = ops.top_k(logits, min(k, logits.shape[-1]))[0][:, -1:]
    else:
        last = ops.minimum(ops.cast(k, "int32"), ops.shape(logits)[-1]) - 1
        smallest = ops.take(_descending(logits), last, axis=-1)[:, None]
    return ops.where(logits < smallest, NEVER, logits)


def keep_top_p(logits: Any, p: Any) -> Any:
    r"""Keep the smallest set of most probable tokens whose probabilities add up to at least p.

    A token is in if those that are more probable do not reach p by themselves. So the most probable one always is, and
    tokens as probable as the last one that is in are too.

    Args:
        logits: `[batch, tokens]`.
        p: A number; may be a scalar tensor.

    Returns:
        `[batch, tokens]`, `-inf` at tokens that are out.

    Source: Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration".
    """
    ordered = _descending(logits)
    probabilities = ops.softmax(ordered, axis=-1)
    before = ops.cumsum(probabilities, axis=-1) - probabilities
    # The first is in whatever the rounding of `before`.
    inside = ops.logical_or(before < p, ops.arange(ops.shape(logits)[-1])[None, :] == 0)
    smallest = ops.min(ops.where(inside, ordered, float("inf")), axis=-1, keepdims=True)
    return ops.where(logits < smallest, NEVER, logits)


def keep_min_p(logits: Any, p: Any) -> Any:
    """Keep the tokens that are at least p times as probable as the most probable one.

    Args:
        logits: `[batch, tokens]`.
        p: A number from 0 to 1; may be a scalar tensor.

    Returns:
        `[batch, tokens]`, `-inf` at tokens that are out.

    Source: Nguyen et al. 2024, "Turning Up the Heat: Min-p Sampling for Creative and Coherent LLM Outputs".
    """
    best = ops.max(logits, axis=-1, keepdims=True)
    return ops.where(ops.exp(logits - best) < p, NEVER, logits)


def penalize_repetition(logits: Any, token_ids: Any, used: Any, penalty: Any) -> Any:
    """Divide the positive logits of tokens that have occurred by a penalty, and multiply the negative ones by it.

    Args:
        logits: `[batch, tokens]`.
        token_ids: int32 `[batch, slots]`.
        used: Booleans `[batch, slots]`, `True` at slots that hold a token.
        penalty: A positive number, above 1 to discourage repetition; may be a scalar tensor.

    Returns:
        `[batch, tokens]`.

    Source: Keskar et al. 2019, "CTRL: A Conditional Transformer Language Model for Controllable Generation".
    """
    occurred = count_tokens(token_ids, used, ops.shape(logits)[-1]) > 0
    return ops.where(occurred, ops.where(logits < 0, logits * penalty, logits / penalty), logits)


def forbid_repeated_ngrams(logits: Any, token_ids: Any, used: Any, last: Any, size: int) -> Any:
    """Forbid every token that would complete a sequence of `size` tokens for the second time in its row.

    Args:
        logits: `[batch, tokens]`.
        token_ids: int32 `[batch, slots]`.
        used: Booleans `[batch, slots]`, `True` at slots that hold a token: one run that ends at `last`.
        last: The slot of the newest token, an integer scalar.
        size: Number of tokens of a sequence, from 1 up.

    Returns:
        `[batch, tokens]`, `-inf` at tokens that are out.

    Source: Paulus et al. 2017, "A Deep Reinforced Model for Abstractive Summarization", section 2.5.
    """
    slots = token_ids.shape[1]
    if size > slots:
        return logits
    starts = slots - size + 1
    # Of each start j: whether its first size - 1 tokens are the newest ones, and which token followed them.
    repeats = ops.logical_and(used[:, :starts], used[:, size - 1 :])
    for offset in range(size - 1):
        slot = last - (size - 2) + offset
        clipped = ops.maximum(slot, 0)
        same = token_ids[:, offset : offset + starts] == ops.take(token_ids, clipped, axis=1)[:, None]
        held = ops.logical_and(ops.take(used, clipped, axis=1)[:, None], slot >= 0)
        repeats = ops.logical_and(repeats, ops.logical_and(same, held))
    forbidden = count_tokens(token_ids[:, size - 1 :], repeats, ops.shape(logits)[-1]) > 0
    return ops.where(forbidden, NEVER, logits)


def _descending(logits: Any) -> Any:
    return ops.flip(ops.sort(logits, axis=-1), axis=-1)
