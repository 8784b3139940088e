"""What a tuned model tells of any number of texts, in their order and in little memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from kpt.errors import InputError
from kpt.tasks.task_model import TaskModel

__all__ = ["predictions"]

Text = TypeVar("Text", str, tuple[str, str])

#: Characters of a group of texts at most; a single text may have more.
CHARACTERS = 1 << 24


def predictions(
    model: TaskModel, texts: Iterable[Text], *, batch_size: int = 32, group: int = 1024
) -> Iterator[dict[str, Any]]:
    """Yield what a model tells of each text, see `TaskModel.tell`, in the order of the texts.

    Texts are read and told a group at a time, so that those of similar length can be told together.

    Args:
        model: a tuned model, with its tokenizer.
        texts: strings, or pairs of them.
        batch_size: texts that are told together.
        group: texts in memory at most.

    Raises:
        InputError: a number is not positive, or as `TaskModel.batches`.

    Example:
        >>> for told in predictions(classifier, ["a good film"]):  # doctest: +SKIP
        ...     print(told)
        {'label': 'pos', 'probabilities': {'neg': 0.07, 'pos': 0.93}}
    """
    if batch_size < 1 or group < 1:
        raise InputError(f"batch_size is {batch_size} and group {group}; give 1 or more of each")
    for some in groups(texts, group):
        yield from model.tell(some, batch_size=batch_size)


def groups(texts: Iterable[Text], size: int, characters: int = CHARACTERS) -> Iterator[list[Text]]:
    """Yield texts in lists of at most so many texts, and as soon as these have so many characters.

    Example:
        >>> list(groups(["a", "b", "c"], 2))
        [['a', 'b'], ['c']]
    """
    source = iter(texts)
    while some := list(islice(source, 1)):
        total = _characters(some[0])
        while len(some) < size and total < characters and (more := list(islice(source, 1))):
            some += more
            total += _characters(more[0])
        yield some


def _characters(text: Any) -> int:
    return len(text) if isinstance(text, str) else sum(map(len, text))
