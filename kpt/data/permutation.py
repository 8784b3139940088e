"""Random numbers and random orders that are computed from their index, so that nothing has to be kept or replayed."""

from __future__ import annotations

import numpy as np

__all__ = ["permute", "random_bits", "random_integers"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_ROUNDS = 6


def random_bits(*keys: int | np.ndarray) -> np.ndarray:
    """Return 64 random bits for each combination of the keys (integers, broadcast against each other).

    Each key is added to the state, which then goes through the finaliser of SplitMix64.

    Example:
        >>> random_bits(0, np.arange(3)) % 10
        array([5, 4, 1], dtype=uint64)

    Source: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators".
    """
    state = np.zeros((1,), np.uint64)
    for key in keys:
        state = _mix(state + np.asarray(key).astype(np.uint64) * _GOLDEN + _GOLDEN)
    return state if any(np.ndim(key) for key in keys) else state[0]


def random_integers(bits: np.ndarray, bound: int | np.ndarray) -> np.ndarray:
    """Turn 64 random bits into int64 below `bound` (at most 2^53): floor(bits / 2^64 * bound)."""
    fraction = (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return (fraction * bound).astype(np.int64)


def permute(index: np.ndarray, size: int, key: int | np.ndarray) -> np.ndarray:
    """Return where a pseudo-random permutation of `range(size)` puts each index, without a table.

    A Feistel network permutes the smallest power of two that holds `size`; a value outside is sent through it again
    until it falls inside (cycle walking), which takes fewer than two rounds on average.

    Args:
        index: int64, any shape, each in `range(size)`.
        size: number of elements.
        key: names the permutation; an array (one key an index) mixes several.

    Example:
        >>> permute(np.arange(8), 8, key=1)
        array([7, 2, 0, 4, 6, 3, 1, 5])

    Source: Black and Rogaway 2002, "Ciphers with arbitrary finite domains".
    """
    bits = max(0, int(size - 1).bit_length())
    right = np.uint64(bits // 2)
    right_mask, left_mask = np.uint64((1 << (bits // 2)) - 1), np.uint64((1 << (bits - bits // 2)) - 1)
    round_keys = [random_bits(key, i) for i in range(_ROUNDS)]

    def network(value: np.ndarray, keys: list[np.ndarray]) -> np.ndarray:
        low, high = value & right_mask, value >> right
        for i in range(0, _ROUNDS, 2):
            high = high ^ (_mix(low + keys[i]) & left_mask)
            low = low ^ (_mix(high + keys[i + 1]) & right_mask)
        return (high << right) | low

    result = network(np.asarray(index).astype(np.uint64), round_keys)
    outside = np.flatnonzero(result >= size)
    flat = result.reshape(-1)
    while outside.size:
        keys = [k.reshape(-1)[outside] if np.ndim(k) else k for k in round_keys]
        flat[outside] = network(flat[outside], keys)
        outside = outside[flat[outside] >= size]
    return flat.reshape(result.shape).astype(np.int64)


def _mix(value: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64; products wrap around at 2^64."""
    value = (value ^ (value >> np.uint64(30))) * _FIRST
    value = (value ^ (value >> np.uint64(27))) * _SECOND
    return value ^ (value >> np.uint64(31))
