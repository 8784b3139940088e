"""Random numbers that are a function of where they are used: one for each sample of a seed at each position."""

from __future__ import annotations

from typing import Any

from keras import ops

__all__ = ["uniform"]

# Of the mixing function; those above 2^31 as the negative integers that have the same bits.
_FIRST, _SECOND = 0x7FEB352D, 0x846CA68B - (1 << 32)
_OFFSETS = (0x3C6EF372, 0x1B873593, 0x2545F491)


def uniform(seed: Any, sample: Any, position: Any) -> Any:
    r"""Return a number in [0, 1) for a seed, a sample's index and a position: the same one on every backend.

    .. math:: u = (h(h(h(\mathrm{seed}) \oplus \mathrm{sample}) \oplus \mathrm{position}) \bmod 2^{24}) / 2^{24}

    with h a mixing function of 32 bits. No state is kept and no order matters, so a row draws the same numbers in any
    batch, and on a server the same as in the process that trained.

    Args:
        seed: int32, broadcasts to the others.
        sample: int32.
        position: int32.

    Returns:
        float32 of the broadcast shape, a multiple of 2^-24.

    Example:
        >>> float(uniform(0, 0, 0)) == float(uniform(0, 0, 0)) != float(uniform(1, 0, 0))
        True

    Source: the mixing function is `lowbias32` of C. Wellons, "Prospecting for Hash Functions", 2018.
    """
    bits = ops.zeros((), dtype="int32")
    for value, offset in zip((seed, sample, position), _OFFSETS, strict=True):
        bits = _mixed(ops.bitwise_xor(bits, ops.cast(value, "int32") + offset))
    return ops.cast(ops.bitwise_and(bits, (1 << 24) - 1), "float32") * 2.0**-24


def _mixed(bits: Any) -> Any:
    """The bits of int32s, mixed; the products wrap around."""
    bits = ops.bitwise_xor(bits, _shifted(bits, 16)) * _constant(_FIRST)
    bits = ops.bitwise_xor(bits, _shifted(bits, 15)) * _constant(_SECOND)
    return ops.bitwise_xor(bits, _shifted(bits, 16))


def _shifted(bits: Any, by: int) -> Any:
    """The bits moved to the right, zeros coming in from the left."""
    return ops.bitwise_and(ops.right_shift(bits, _constant(by)), _constant((1 << (32 - by)) - 1))


def _constant(value: int) -> Any:
    return ops.convert_to_tensor(value, dtype="int32")
