"""Scores of language models that follow from their loss."""

from __future__ import annotations

import math

from kpt.errors import InputError

__all__ = ["bits_per_byte", "perplexity"]


def perplexity(loss: float) -> float:
    r"""Return the perplexity: :math:`e^L`, among how many equally likely tokens the model in effect chooses.

    Args:
        loss: Mean loss in nats a token.

    Returns:
        From 1 up; infinite where it is over the largest float.

    Raises:
        InputError: If the loss is negative or no number.

    Example:
        >>> round(perplexity(2.302585), 3)
        10.0
    """
    check_loss(loss)
    return math.exp(loss) if loss < 709 else math.inf


def bits_per_byte(loss: float, tokens: int, byte_count: int) -> float:
    r"""Return the bits that the model needs for a byte of text: :math:`L N / (B \ln 2)`.

    Unlike perplexity it compares models of different tokenizers.

    Args:
        loss: Mean loss :math:`L` in nats a token.
        tokens: Number :math:`N` of the tokens that were predicted.
        byte_count: Number :math:`B` of the bytes, in UTF-8, of the text that they are.

    Returns:
        Bits, from 0 up.

    Raises:
        InputError: If the loss is negative or no number, or a count is below 1.

    Example:
        >>> round(bits_per_byte(3.0, tokens=1_000, byte_count=4_000), 3)
        1.082

    Source: Gao et al. 2020, "The Pile", section 3.1.
    """
    check_loss(loss)
    for name, value in (("tokens", tokens), ("byte_count", byte_count)):
        if value < 1:
            raise InputError(f"{name} is {value}; give 1 or more")
    return loss * tokens / (byte_count * math.log(2))


def check_loss(loss: float) -> None:
    """Refuse a loss that is negative or no number."""
    if not loss >= 0:
        raise InputError(f"the loss is {loss}; give the mean loss in nats a token, from 0 up")
