"""Batches of several tasks: which task each step has, and one form for the batches of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import isfinite
from typing import Any

import numpy as np

from kpt.data.labelled_batches import LabelledExamples
from kpt.data.permutation import permute, random_bits
from kpt.errors import InputError
from kpt.text.vocabulary import Vocabulary

__all__ = ["TaskMixture", "joint_batch", "mixing_proportions", "steps_of_tasks"]

_TASKS = 0x7A5C


def mixing_proportions(sizes: Sequence[int], temperature: float = 1.0) -> np.ndarray:
    r"""Return which share of the batches each task gets, by the sizes of their data sets.

    .. math:: p_i = n_i^{1/T} / \sum_j n_j^{1/T}

    At a temperature of 1 it is each task's share of all texts; the higher, the more alike the tasks are. The exponent
    :math:`1/T` is the one by which the texts of many languages are mixed in multilingual BERT (0.7).

    Args:
        sizes: texts of each task.
        temperature: :math:`T`.

    Returns:
        float64 [tasks], of sum 1.

    Raises:
        InputError: the temperature is not a finite number above 0.

    Example:
        >>> mixing_proportions([900, 100], temperature=2.0).round(6).tolist()
        [0.75, 0.25]

    Source: Raffel et al. 2020, "Exploring the Limits of Transfer Learning", section 3.5.2; Devlin et al. 2019,
    multilingual BERT.
    """
    if not (temperature > 0 and isfinite(temperature)):
        raise InputError(f"temperature is {temperature}; give a number above 0, 1 to mix tasks by their sizes")
    logs = np.log(np.asarray(sizes, np.float64)) / temperature
    powers = np.exp(logs - logs.max())
    return powers / powers.sum()


def steps_of_tasks(proportions: Sequence[float] | np.ndarray, steps: int) -> np.ndarray:
    """Return how many of some steps each task gets: the nearest whole numbers by the largest remainders, 1 at least.

    Args:
        proportions: of the tasks, of sum 1.
        steps: of all tasks, at least as many as these.

    Returns:
        int64 [tasks], of sum `steps`.

    Example:
        >>> steps_of_tasks([0.7, 0.2, 0.1], 14).tolist(), steps_of_tasks([0.98, 0.01, 0.01], 6).tolist()
        ([10, 3, 1], [4, 1, 1])
    """
    wanted = np.asarray(proportions, np.float64) * steps
    counts = np.maximum(np.floor(wanted), 1).astype(np.int64)
    while counts.sum() < steps:
        counts[np.argmax(wanted - counts)] += 1
    while counts.sum() > steps:
        counts[np.argmax(np.where(counts > 1, counts - wanted, -np.inf))] -= 1
    return counts


def joint_batch(
    examples: Mapping[str, LabelledExamples],
    parts: Sequence[tuple[str, np.ndarray]],
    epoch: int | None = None,
    exact: bool = False,
) -> Any:
    """Return a batch of texts of one or several tasks, in the form that all batches of these tasks have.

    Args:
        examples: the texts of each task, with labels.
        parts: names of tasks, and the numbers of their texts.
        epoch: which draws the windows of long texts, see `LabelledExamples.batch_of`.
        exact: see `LabelledExamples.examples`.

    Returns:
        The inputs, with `task` int32 [rows], the number of each text's task; the labels and the weights of all rows by
        the names of the tasks. Where a row is not of a task, its weight there is 0.
    """
    made = [examples[name].batch_of(rows, epoch, exact) for name, rows in parts]
    columns = max(batch[0]["token_ids"].shape[1] for batch in made)
    made = [
        examples[name].widened(batch, columns - batch[0]["token_ids"].shape[1])
        for (name, _), batch in zip(parts, made, strict=True)
    ]
    counts = [len(rows) for _, rows in parts]
    numbers = {name: number for number, name in enumerate(examples)}
    inputs = {key: np.concatenate([batch[0][key] for batch in made]) for key in made[0][0]}
    inputs["task"] = np.repeat([numbers[name] for name, _ in parts], counts).astype(np.int32)
    labels: dict[str, np.ndarray] = {}
    weights: dict[str, np.ndarray] = {}
    for name, some in examples.items():
        labels[name], weights[name] = some.blank_targets(sum(counts), columns)
    begin = 0
    for (name, rows), (_, own, *weight) in zip(parts, made, strict=True):
        end = begin + len(rows)
        labels[name][begin:end] = own
        weights[name][begin:end] = weight[0] if weight else 1.0
        begin = end
    return inputs, labels, weights


class TaskMixture:
    """Makes batches of one task each, in given proportions, each a pure function of (texts, seed, step).

    The steps go in rounds, each as long as the epochs of all tasks together. In a round each task has exactly its
    number of steps (`steps_of_tasks`), in random order; a task's own batches follow one another as they do when it is
    trained alone, so that none of its texts is seen twice before all are seen once.

    Args:
        examples: the texts of each task, with labels.
        temperature: of `mixing_proportions`.
        proportions: how many batches each task gets in proportion to the others, in place of what their sizes say.
        seed: of the order.

    Raises:
        InputError: there is no task, one has no labels, or the proportions are not numbers above 0, one for each task.
    """

    def __init__(
        self,
        examples: Mapping[str, LabelledExamples],
        *,
        temperature: float = 1.0,
        proportions: Mapping[str, float] | None = None,
        seed: int = 0,
    ) -> None:
        if not examples:
            raise InputError("there is no task to mix; give at least one")
        for name, some in examples.items():
            if some.labels is None:
                raise InputError(f"the task {name!r} has no labels to learn from; give a label to each of its texts")
        self.tasks, self.seed = dict(examples), seed
        if proportions is None:
            shares = mixing_proportions([len(some.texts) for some in examples.values()], temperature)
        else:
            if set(proportions) != set(examples):
                raise InputError(
                    f"proportions are for {', '.join(proportions)}; give one for each task, {names_of(examples)}"
                )
            for name, value in proportions.items():
                if not (value > 0 and isfinite(value)):
                    raise InputError(f"the proportion of {name!r} is {value}; give a number above 0")
            given = np.array([proportions[name] for name in examples], np.float64)
            shares = given / given.sum()
        self.proportions = dict(zip(examples, shares.tolist(), strict=True))
        self._round = lru_cache(maxsize=3)(self._tasks_of_round)

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokenizer's pieces."""
        return next(iter(self.tasks.values())).vocabulary

    def steps(self, batch_size: int) -> int:
        """Return the number of steps of a round, the epochs of all tasks together."""
        return sum(some.steps(batch_size) for some in self.tasks.values())

    def task(self, step: int, batch_size: int) -> tuple[str, int]:
        """Return the task of a step, and which of the task's own steps it is."""
        number, at = divmod(step, self.steps(batch_size))
        order, places, counts = self._round(batch_size, number)
        chosen = int(order[at])
        return list(self.tasks)[chosen], int(number * counts[chosen] + places[at])

    def examples(self, step: int, batch_size: int, rows: slice = slice(None), exact: bool = False) -> Any:
        """Return the batch of a step, or some rows of it; see `joint_batch`."""
        name, own = self.task(step, batch_size)
        some = self.tasks[name]
        chosen = some.rows(own, batch_size)[rows]
        return joint_batch(self.tasks, [(name, chosen)], own // some.steps(batch_size), exact)

    def widened(self, batch: Any, columns: int) -> Any:
        """Return a batch with so many columns of padding more."""
        return widened_batch(self.tasks, batch, columns)

    def _tasks_of_round(self, batch_size: int, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The task of each step, which of the task's steps of the round it is, and how many each task has."""
        steps = self.steps(batch_size)
        counts = steps_of_tasks(list(self.proportions.values()), steps)
        order = np.empty(steps, np.int64)
        order[permute(np.arange(steps), steps, int(random_bits(self.seed, _TASKS, number)))] = np.repeat(
            np.arange(len(counts)), counts
        )
        places = np.empty(steps, np.int64)
        for task, count in enumerate(counts):
            places[order == task] = np.arange(count)
        return order, places, counts


def widened_batch(examples: Mapping[str, LabelledExamples], batch: Any, columns: int) -> Any:
    """Return a batch of `joint_batch` with so many columns of padding more."""
    inputs, labels, weights = batch
    rows, wide = len(inputs["task"]), inputs["token_ids"].shape[1] + columns
    result: tuple[Any, Any, Any] = ({"task": inputs["task"]}, {}, {})
    for name, value in inputs.items():
        if name != "task":
            result[0][name] = np.pad(value, ((0, 0), (0, columns)))
    for name, some in examples.items():
        for target, old, new in zip(
            result[1:], (labels[name], weights[name]), some.blank_targets(rows, wide), strict=True
        ):
            new[tuple(slice(size) for size in old.shape)] = old
            target[name] = new
    return result


def names_of(examples: Mapping[str, Any]) -> str:
    """Return names for a message."""
    return ", ".join(map(repr, examples))
