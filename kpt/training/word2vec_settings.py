"""The settings of a word2vec pre-training, each checked by itself before anything is read."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple

import keras
import numpy as np

from kpt.data import TokenStore, Windows
from kpt.errors import InputError
from kpt.objectives import Word2Vec
from kpt.training.schedule import WarmupDecay
from kpt.training.settings import check_choice

__all__ = ["Word2VecSettings"]

#: The last learning rate (gensim: `min_alpha`).
LAST_RATE = 1e-4
#: Examples are shorter than an architecture's where an epoch would else have fewer than so many.
SHORTEST, EXAMPLES = 128, 64


class Shape(NamedTuple):
    """How an architecture is trained where nothing else is said.

    Attributes:
        learning_rate: that of a single pair, to begin with.
        block: words that share so many negatives: `shared_negatives`.
        length: words of an example.
    """

    learning_rate: float
    block: int
    shared_negatives: int
    length: int


# CBOW has one example a word, whose gradient is noisy with few negatives; more for more words are one product.
SHAPES = {"skip-gram": Shape(0.03, 16, 22, 2048), "cbow": Shape(0.075, 64, 20, 4096)}


@dataclass(frozen=True, kw_only=True)
class Word2VecSettings:
    """The settings of a word2vec pre-training.

    Args:
        architecture: `"skip-gram"` or `"cbow"` (gensim: `sg=1`, `sg=0`).
        width: size of a vector (gensim: `vector_size`).
        window: largest number of context words on either side (gensim: `window`).
        negatives: negatives per pair (gensim: `negative`).
        sample: threshold of the subsampling of frequent words (gensim: `sample`); 0: none.
        epochs: how often the store is gone through (gensim: `epochs`).
        batch_size: examples of a batch.
        length: words of an example, a multiple of 16 (CBOW: of 64); by default 2048 (CBOW: 4096), fewer where the
            store is small.
        learning_rate: its first value, from which it falls linearly (gensim: `alpha`); by default 0.03,
            and 0.075 for CBOW.
        shuffle: whether the text comes in random order, see `kpt.data.Windows`.
        checkpoint_every: steps between two checkpoints; by default an epoch.
        keep: how many of the newest checkpoints are kept.
        seed: of the initial vectors, the order, the subsampling, the windows and the negatives.

    Raises:
        InputError: a value is out of its range, or the architecture is unknown.

    Example:
        >>> Word2VecSettings(architecture="skipgram")
        Traceback (most recent call last):
        ...
        kpt.errors.InputError: architecture is 'skipgram'; did you mean skip-gram? there are skip-gram, cbow
    """

    architecture: str = "skip-gram"
    width: int = 100
    window: int = 5
    negatives: int = 5
    sample: float = 1e-3
    epochs: int = 5
    batch_size: int = 1
    length: int | None = None
    learning_rate: float | None = None
    shuffle: bool = False
    checkpoint_every: int | None = None
    keep: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("architecture", self.architecture, tuple(SHAPES))
        for name in ("width", "window", "negatives", "epochs", "batch_size", "checkpoint_every", "keep"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} is {value}; give 1 or more")
        if not (self.sample >= 0 and isfinite(self.sample)):
            raise InputError(f"sample is {self.sample}; give a number from 0 up")
        block = SHAPES[self.architecture].block
        if self.window > block:
            raise InputError(f"window is {self.window}; give {block} or less for {self.architecture}")
        if self.length is not None and (self.length < block or self.length % block):
            raise InputError(f"length is {self.length}; give a multiple of {block}")
        if self.learning_rate is not None and not (self.learning_rate > 0 and isfinite(self.learning_rate)):
            raise InputError(f"learning_rate is {self.learning_rate}; give a number above 0")
        if not 0 <= self.seed < 2**63:
            raise InputError(f"seed is {self.seed}; give a whole number from 0 to 2**63 - 1")

    @property
    def peak(self) -> float:
        """The learning rate to begin with."""
        return SHAPES[self.architecture].learning_rate if self.learning_rate is None else self.learning_rate

    def windows(self, store: TokenStore, counts: np.ndarray | None = None) -> Windows:
        """Return the maker of examples."""
        shape = SHAPES[self.architecture]
        return Windows(
            store,
            length=self.length or fitting_length(store.tokens // self.batch_size, shape.length),
            block=shape.block,
            window=self.window,
            shared_negatives=shape.shared_negatives,
            sample=self.sample,
            counts=counts,
            shuffle=self.shuffle,
            seed=self.seed,
        )

    def new_model(self, vocabulary_size: int) -> Word2Vec:
        """Return the model, not compiled."""
        return Word2Vec(vocabulary_size, self.width, self.architecture, window=self.window, negatives=self.negatives)

    def model(self, vocabulary_size: int, steps: int) -> Word2Vec:
        """Return the model, compiled for a run of so many steps."""
        return self.compiled(self.new_model(vocabulary_size), steps)

    def optimizer(self, steps: int) -> keras.optimizers.Optimizer:
        """Return the optimizer with the schedule of a run of so many steps."""
        return keras.optimizers.SGD(WarmupDecay(self.peak, steps, floor=min(1.0, LAST_RATE / self.peak)))

    def compiled(self, model: Word2Vec, steps: int) -> Word2Vec:
        """Compile a model for a run of so many steps."""
        model.compile(optimizer=self.optimizer(steps))
        return model


def fitting_length(words: int, longest: int) -> int:
    """Return the length of examples with which an epoch over so many words still has many of them.

    Example:
        >>> fitting_length(2_700_000, 2048), fitting_length(20_000, 2048)
        (2048, 256)
    """
    length = longest
    while length > SHORTEST and length * EXAMPLES > words:
        length //= 2
    return length
