"""Batches of texts of similar length, so that little is computed on padding."""

from __future__ import annotations

import numpy as np

from kpt.data.permutation import permute, random_bits

__all__ = ["bucketed_batches", "padded_width", "sorted_batches"]

_EXAMPLES, _BATCHES = 0x1E57, 0xBA7C
#: Batches that are sorted by length together; the more there are, the less padding and the less chance.
_POOL = 256
#: Batches of an epoch below which chance counts for more than padding does.
_FEW = 32


def padded_width(size: int, longest: int) -> int:
    """Return the number of columns of a batch whose longest text has `size` tokens.

    It is a multiple of 8, with four widths an octave from 64 on, so that there are few of them: a backend that compiles
    (JAX) does so once a width.

    Args:
        size: tokens of the longest text.
        longest: the most columns that there may be.

    Example:
        >>> [padded_width(size, 500) for size in (1, 8, 9, 65, 100, 129, 490)]
        [8, 8, 16, 80, 112, 160, 500]
    """
    size = max(int(size), 1)
    step = max(8, 1 << max(0, (size - 1).bit_length() - 3))
    return min(-(-size // step) * step, max(longest, size))


def bucketed_batches(sizes: np.ndarray, batch_size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """Return the batches of an epoch: each text once, those of a batch of similar length, in random order.

    The texts are permuted, sorted by length within pools of batches, cut into batches, and these are permuted. A pool
    is up to 256 batches and half the epoch at most, so that a text does not meet the same ones each time; a quarter of
    an epoch of fewer than 32 batches, where texts of one length, and perhaps of one label, would learn by themselves.
    One batch is smaller than the others where the texts do not divide evenly.

    Args:
        sizes: tokens of each text, [texts].
        batch_size: texts of a batch.
        seed: of the order.
        epoch: number of the epoch; each has an order of its own.

    Returns:
        The numbers of the texts of each batch, a pure function of the arguments.

    Example:
        >>> batches = bucketed_batches(np.array([9, 2, 8, 1, 7, 3, 6, 4]), 2, seed=0, epoch=0)
        >>> sorted(int(i) for batch in batches for i in batch)
        [0, 1, 2, 3, 4, 5, 6, 7]
    """
    count = len(sizes)
    order = permute(np.arange(count), count, int(random_bits(seed, _EXAMPLES, epoch)))
    number = -(-count // batch_size)
    pool = batch_size * min(_POOL, max(1, number // (4 if number < _FEW else 2)))
    batches = []
    for begin in range(0, count, pool):
        part = order[begin : begin + pool]
        part = part[np.argsort(sizes[part], kind="stable")]
        batches += [part[at : at + batch_size] for at in range(0, len(part), batch_size)]
    return [batches[i] for i in permute(np.arange(number), number, int(random_bits(seed, _BATCHES, epoch)))]


def sorted_batches(sizes: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Return batches for evaluation: the longest texts first, so that what does not fit into memory shows at once.

    Args:
        sizes: tokens of each text, [texts].
        batch_size: texts of a batch.

    Example:
        >>> [batch.tolist() for batch in sorted_batches(np.array([3, 9, 5]), 2)]
        [[1, 2], [0]]
    """
    order = np.argsort(-np.asarray(sizes), kind="stable")
    return [order[at : at + batch_size] for at in range(0, len(order), batch_size)]
