"""Which words word2vec leaves out, and which it draws as negatives."""

from __future__ import annotations

import numpy as np

from kpt.errors import InputError

__all__ = ["AliasTable", "keep_probabilities", "noise_distribution"]


def keep_probabilities(counts: np.ndarray, sample: float) -> np.ndarray:
    r"""Return with what probability an occurrence of each word stays in the text.

    .. math:: \min\Big(1, \sqrt{\frac{t}{f(w)}} + \frac{t}{f(w)}\Big), \quad f(w) = \frac{n_w}{\sum_v n_v}

    This is the rule of word2vec's code and of gensim; the paper has :math:`\sqrt{t / f}` alone.

    Args:
        counts: :math:`n_w`, `[vocabulary]`; a word with none has the probability 0.
        sample: the threshold :math:`t` (gensim: `sample`); 0: every word stays.

    Returns:
        float32 `[vocabulary]`.

    Raises:
        InputError: the threshold is not in 0 ... 1.

    Example:
        >>> keep_probabilities(np.array([0, 90, 10]), 0.1).round(3)
        array([0.   , 0.444, 1.   ], dtype=float32)

    Source: Mikolov et al. 2013, "Distributed Representations of Words and Phrases", section 2.3.
    """
    if not 0 <= sample <= 1:
        raise InputError(f"sample is {sample}; give a threshold from 0 to 1, such as 1e-3")
    present = counts > 0
    share = sample * counts.sum() / np.maximum(counts, 1)
    return np.where(present, 1.0 if sample == 0 else np.minimum(1.0, np.sqrt(share) + share), 0.0).astype(np.float32)


def noise_distribution(counts: np.ndarray, exponent: float = 0.75) -> np.ndarray:
    r"""Return the probabilities of the negatives, :math:`P_n(w) \propto n_w^{3/4}`, float64 `[vocabulary]`.

    Args:
        counts: :math:`n_w`, `[vocabulary]`; a word with none is never drawn.
        exponent: the power (gensim: `ns_exponent`).

    Raises:
        InputError: no word has a count.

    Example:
        >>> noise_distribution(np.array([0, 16, 1])).round(3)
        array([0.   , 0.889, 0.111])

    Source: Mikolov et al. 2013, "Distributed Representations of Words and Phrases", section 2.2.
    """
    weights = np.where(counts > 0, np.maximum(counts, 1).astype(np.float64) ** exponent, 0.0)
    if not weights.any():
        raise InputError("no word has a count, so there is none to draw as a negative; give text with known words")
    return weights / weights.sum()


class AliasTable:
    """Draws from a discrete distribution in a time that does not depend on its size (Walker's method).

    Args:
        probabilities: float64 `[size]`, with the sum 1.

    Example:
        >>> table = AliasTable(np.array([0.5, 0.0, 0.5]))
        >>> np.unique(table.draw(np.random.default_rng(0), 1000)).tolist()
        [0, 2]

    Source: Vose 1991, "A linear algorithm for generating random numbers with a given distribution".
    """

    def __init__(self, probabilities: np.ndarray) -> None:
        size = len(probabilities)
        height = (probabilities * size).tolist()
        alias = list(range(size))
        small = [i for i, share in enumerate(height) if share < 1]
        large = [i for i, share in enumerate(height) if share >= 1]
        while small and large:
            low, high = small.pop(), large[-1]
            alias[low] = high
            height[high] -= 1 - height[low]
            if height[high] < 1:
                small.append(large.pop())
        for rest in (*small, *large):  # what is left is 1 but for rounding
            height[rest] = 1.0
        self._own = np.array(height, np.float32)
        self._alias = np.array(alias, np.int32)

    def draw(self, generator: np.random.Generator, shape: int | tuple[int, ...]) -> np.ndarray:
        """Return int32 numbers of the given shape, each below the size of the distribution."""
        column = generator.integers(0, len(self._own), shape, np.int32)
        return np.where(generator.random(shape, np.float32) < self._own[column], column, self._alias[column])
