"""Labelled texts as batches by step: what `fit` is given to fine-tune on."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from kpt.data.batches import Batches
from kpt.data.length_buckets import bucketed_batches, sorted_batches
from kpt.data.permutation import random_bits
from kpt.data.text_sequences import EncodedTexts
from kpt.errors import InputError
from kpt.text.vocabulary import Vocabulary

__all__ = ["LabelledBatches", "LabelledExamples"]

_WINDOWS = 0x31D0


class LabelledExamples:
    """Makes batches of texts of similar length with their labels, each a pure function of (texts, seed, step).

    Steps 0 to `steps(batch_size) - 1` have each text once, in an order of their own; so have the steps after these. See
    `kpt.data.length_buckets`. Without shuffling each epoch has the longest texts first.

    Args:
        texts: the encoded texts.
        vocabulary: their tokenizer's.
        labels: what is to be predicted, [texts, ...]; None for texts that have none.
        weights: float32 [texts], how much each counts in the loss; None for all the same.
        seed: of the order.
        shuffle: whether the order is random.
        drawn_windows: windows of a text at most, drawn anew for each epoch, see `EncodedTexts.stretches`; None for all
            of them, as they are always where the order is not random.

    Raises:
        InputError: there is no text, or there are not as many labels or weights as texts.
    """

    def __init__(
        self,
        texts: EncodedTexts,
        vocabulary: Vocabulary,
        labels: np.ndarray | None = None,
        weights: np.ndarray | None = None,
        *,
        seed: int = 0,
        shuffle: bool = True,
        drawn_windows: int | None = None,
    ) -> None:
        if not len(texts):
            raise InputError("there is no text; give at least one")
        for what, values in (("labels", labels), ("weights", weights)):
            if values is not None and len(values) != len(texts):
                raise InputError(f"{len(values)} {what} for {len(texts)} texts; give one to each")
        self.texts, self.vocabulary, self.labels, self.weights = texts, vocabulary, labels, weights
        self.seed, self.shuffle, self.drawn_windows = seed, shuffle, drawn_windows
        self._drawn = lru_cache(maxsize=3)(self._texts_of_epoch)
        self._epoch = lru_cache(maxsize=3)(self._batches_of_epoch)

    @property
    def truth(self) -> Any:
        """What scores compare with: the labels, in the order of the texts."""
        return None if self.labels is None else np.asarray(self.labels)

    def steps(self, batch_size: int) -> int:
        """Return the number of batches of an epoch."""
        return -(-len(self.texts) // batch_size)

    def rows(self, step: int, batch_size: int) -> np.ndarray:
        """Return the numbers of the texts in the batch of a step."""
        epoch, number = divmod(step, self.steps(batch_size))
        return self._epoch(batch_size, epoch if self.shuffle else 0)[number]

    def order(self, batch_size: int) -> np.ndarray:
        """Return the numbers of the texts in the order in which the steps of the first epoch have them."""
        return np.concatenate([self.rows(step, batch_size) for step in range(self.steps(batch_size))])

    def examples(self, step: int, batch_size: int, rows: slice = slice(None), exact: bool = False) -> Any:
        """Return the batch of a step, or some rows of it.

        Args:
            step: number of the step.
            batch_size: texts of a batch.
            rows: which of them.
            exact: whether the batch is as wide as its longest text, and not one of few widths.

        Returns:
            The inputs (see `EncodedTexts.batch`) alone or with the labels, and the weights where there are some.
        """
        return self.batch_of(self.rows(step, batch_size)[rows], step // self.steps(batch_size), exact)

    def batch_of(self, chosen: np.ndarray, epoch: int | None = None, exact: bool = False) -> Any:
        """Return the batch of some texts by their numbers, as `examples` returns that of a step.

        Args:
            chosen: the numbers.
            epoch: which draws the windows; None for all windows.
            exact: see `examples`.
        """
        parts: list[Any] = [self._drawn(epoch).batch(chosen, exact=exact)]
        if self.labels is not None:
            parts.append(self.labels[chosen])
            if self.weights is not None:
                parts.append(self.weights[chosen])
        return tuple(parts)

    def blank_targets(self, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
        """Return labels and weights for so many texts that are not of this task: the shapes of its own, all zeros."""
        labels = np.asarray(self.labels)
        return np.zeros((rows, *labels.shape[1:]), labels.dtype), np.zeros(rows, np.float32)

    def widened(self, batch: Any, columns: int) -> Any:
        """Return a batch with so many columns of padding more."""
        return ({name: np.pad(value, ((0, 0), (0, columns))) for name, value in batch[0].items()}, *batch[1:])

    def _texts_of_epoch(self, epoch: int | None) -> EncodedTexts:
        """Return the texts with the windows that an epoch has drawn."""
        if epoch is None or self.drawn_windows is None or not self.shuffle:
            return self.texts
        bits = random_bits(self.seed, _WINDOWS, epoch, np.arange(len(self.texts)))
        return self.texts.stretches(self.drawn_windows, bits)

    def _batches_of_epoch(self, batch_size: int, epoch: int) -> list[np.ndarray]:
        totals = self._drawn(epoch).totals
        if self.shuffle:
            return bucketed_batches(totals, batch_size, self.seed, epoch)
        return sorted_batches(totals, batch_size)


class EpochExamples(Protocol):
    """What makes the examples of `LabelledBatches`: `LabelledExamples`, and mixtures of those of several tasks."""

    seed: int

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokenizer's pieces."""

    def steps(self, batch_size: int) -> int:
        """Return the number of batches of an epoch."""

    def examples(self, step: int, batch_size: int, rows: slice = slice(None), exact: bool = False) -> Any:
        """Return the batch of a step, or some rows of it: the inputs first, in a dict.

        With `exact` it is as wide as its longest text, else of one of few widths.
        """

    def widened(self, batch: Any, columns: int) -> Any:
        """Return a batch with so many columns of padding more."""


class LabelledBatches(Batches):
    """Batches of labelled texts for `fit`, `evaluate` and `predict` of any Keras model.

    A pass is an epoch of the examples. As with all `Batches` an epoch goes on where the one before ended, so that each
    has an order of its own; `fit` wants `shuffle=False` then, which `Classifier` and `Regressor` need not be told.

    On TensorFlow Keras looks at the first two batches and takes what is alike in them for alike in all. So that it does
    not take the width of two batches for that of all, the second one is given to it wider than the first while no pass
    has begun; `batch` is what looks at one without that.

    Args:
        examples: the maker of examples.
        batch_size: texts of a batch; the last one of an epoch may have fewer.
        **options: of `Batches`: `start_step`, `repeat` and others; `steps` is an epoch by default.
    """

    maker: Any

    def __init__(self, examples: EpochExamples, *, batch_size: int = 32, **options: Any) -> None:
        options.setdefault("steps", examples.steps(batch_size))
        self._exact = False
        super().__init__(examples, batch_size=batch_size, **options)

    def made_for(self, compiled: bool) -> None:
        """Prepare for a model, as `fit`, `evaluate` and `predict` of kpt's models do.

        Args:
            compiled: whether it is compiled for each width of a batch, or is slow for odd ones, so that there should be
                few. Else batches are as wide as their longest text.
        """
        if self._exact == compiled:
            self._exact = not compiled
            self._ahead.forget()

    def samples(self) -> list[Any]:
        """Return a few batches that have all shapes; that with fewer texts than the others may come at any step."""
        samples = [*super().samples(), self.maker.examples(self._first_step, self.batch_size, slice(0, 1))]
        return samples if self.steps > 1 else [*samples, self.maker.widened(samples[0], 1)]

    def batch(self, step: int) -> Any:
        """Return this host's rows of the batch of a step, counted from 0 and not from `start_step`."""
        return self.maker.examples(step, self.batch_size, slice(self._rows.start, self._rows.stop), self._exact)

    def __getitem__(self, index: int) -> Any:
        """Return batch `index` of the present pass, see `Batches`."""
        batch = super().__getitem__(index)
        if self._in_epoch or index != 1:
            return batch
        first = super().__getitem__(0)[0]["token_ids"].shape[1]
        return self.maker.widened(batch, max(0, first + 1 - batch[0]["token_ids"].shape[1]))
