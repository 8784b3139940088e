"""Batches of one task among several, with a share of stored examples of others: what a stage of continual tuning is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kpt.data.labelled_batches import LabelledExamples
from kpt.data.permutation import permute, random_bits
from kpt.data.task_mixture import joint_batch, widened_batch
from kpt.errors import InputError
from kpt.text.vocabulary import Vocabulary

__all__ = ["ReplayedExamples", "stored_rows"]

_STORED, _REPLAYED = 0x570E, 0x4E91


def stored_rows(texts: int, count: int, seed: int) -> np.ndarray:
    """Return the numbers of some texts of a task, drawn at random without repetition: all where there are fewer.

    Example:
        >>> sorted(stored_rows(3, 9, seed=0).tolist()), len(stored_rows(100, 9, seed=0))
        ([0, 1, 2], 9)
    """
    return permute(np.arange(min(count, texts)), texts, int(random_bits(seed, _STORED)))


class ReplayedExamples:
    """Makes batches of one task and of stored texts of others, each a pure function of (texts, seed, step).

    In each batch `share` of the rows (rounded, one at least) are stored texts, which come in turn, in an order that is
    new each time that all were there; the others are the batch that the task has alone for so many rows. An epoch has
    each text of the task once. Without stored texts the batches are the task's own.

    Args:
        examples: the texts of each task, with labels; a batch has the form that `joint_batch` gives to all of them.
        task: the name of the task.
        stored: numbers of texts of other tasks by their names.
        share: of the stored texts in a batch, above 0 and below 1.
        seed: of the order of the stored texts.

    Raises:
        InputError: there is no such task, or the share is out of its range.
    """

    def __init__(
        self,
        examples: Mapping[str, LabelledExamples],
        task: str,
        stored: Mapping[str, np.ndarray] | None = None,
        *,
        share: float = 0.25,
        seed: int = 0,
    ) -> None:
        if task not in examples:
            raise InputError(f"there is no task {task!r}; there are {', '.join(examples)}")
        if not 0 < share < 1:
            raise InputError(f"the share of replayed texts is {share}; give a number between 0 and 1")
        self.tasks, self.name, self.share, self.seed = dict(examples), task, share, seed
        self._stored = [(name, int(row)) for name, rows in (stored or {}).items() for row in rows]

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokenizer's pieces."""
        return self.tasks[self.name].vocabulary

    def replayed(self, batch_size: int) -> int:
        """Return how many rows of a batch are stored texts.

        Raises:
            InputError: there are some, and the batch has a single row.
        """
        if not self._stored:
            return 0
        if batch_size < 2:
            raise InputError("a batch of one text has no room for a stored one; give a larger batch_size")
        return min(max(1, round(self.share * batch_size)), batch_size - 1)

    def steps(self, batch_size: int) -> int:
        """Return the number of batches in which each text of the task comes once."""
        return self.tasks[self.name].steps(batch_size - self.replayed(batch_size))

    def rows(self, step: int, batch_size: int) -> list[tuple[str, int]]:
        """Return the task and the number of each text in the batch of a step."""
        old = self.replayed(batch_size)
        rows = [(self.name, int(row)) for row in self.tasks[self.name].rows(step, batch_size - old)]
        for place in range(step * old, (step + 1) * old):
            turn, at = divmod(place, len(self._stored))
            key = int(random_bits(self.seed, _REPLAYED, turn))
            rows.append(self._stored[int(permute(np.array([at]), len(self._stored), key)[0])])
        return rows

    def examples(self, step: int, batch_size: int, rows: slice = slice(None), exact: bool = False) -> Any:
        """Return the batch of a step, or some rows of it; see `joint_batch`."""
        by_task: dict[str, list[int]] = {}
        for name, row in self.rows(step, batch_size)[rows]:
            by_task.setdefault(name, []).append(row)
        parts = [(name, np.array(some)) for name, some in by_task.items()]
        return joint_batch(self.tasks, parts, step // self.steps(batch_size), exact)

    def widened(self, batch: Any, columns: int) -> Any:
        """Return a batch with so many columns of padding more."""
        return widened_batch(self.tasks, batch, columns)
