"""How well entities are found, as CoNLL's scorer counts them: an entity counts if its type, begin and end are right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from kpt.errors import InputError
from kpt.tasks.entities import entities

__all__ = ["entity_counts", "entity_scores", "scores_by_type", "scores_of_counts"]

Tags = Sequence[Sequence[str]]


def entity_counts(truth: Tags, guess: Tags) -> np.ndarray:
    """Return for each sentence the entities that were rightly found, that there are and that were found, and the words.

    Args:
        truth: the tags of each sentence.
        guess: those that were told, as many.

    Returns:
        int64 [sentences, 5]: entities right, true and guessed; words with the right tag, and all words.

    Raises:
        InputError: a sentence has not as many guesses as tags.

    Example:
        >>> entity_counts([["B-x", "I-x", "O"]], [["B-x", "O", "B-x"]]).tolist()
        [[0, 1, 2, 1, 3]]
    """
    if len(truth) != len(guess):
        raise InputError(f"{len(truth)} sentences and guesses for {len(guess)}; give guesses for each")
    rows = []
    for number, (tags, told) in enumerate(zip(truth, guess, strict=True)):
        if len(tags) != len(told):
            raise InputError(f"sentence {number} has {len(tags)} tags and {len(told)} guesses; give one to each word")
        true, found = set(entities(tags)), set(entities(told))
        words = sum(tag == other for tag, other in zip(tags, told, strict=True))
        rows.append((len(true & found), len(true), len(found), words, len(tags)))
    return np.array(rows, np.int64).reshape(-1, 5)


def scores_of_counts(counts: np.ndarray) -> dict[str, float]:
    r"""Return entity F1, precision and recall, and the accuracy of words, of some sentences together.

    .. math:: p = r / g, \quad q = r / t, \quad F_1 = 2 p q / (p + q) = 2 r / (t + g)

    of r entities rightly found, t true and g guessed ones; each is 0 where it would be divided by 0.

    Args:
        counts: [sentences, 5], as `entity_counts` gives them.

    Example:
        >>> scores_of_counts(np.array([[1, 2, 1, 4, 5]]))
        {'f1': 0.666..., 'precision': 1.0, 'recall': 0.5, 'accuracy': 0.8}
    """
    right, true, guessed, words, total = (int(count) for count in np.sum(counts, axis=0))

    def share(part: int, whole: int) -> float:
        return part / whole if whole else 0.0

    return {
        "f1": share(2 * right, true + guessed),
        "precision": share(right, guessed),
        "recall": share(right, true),
        "accuracy": share(words, total),
    }


def entity_scores(truth: Tags, guess: Tags) -> dict[str, float]:
    """Return the scores of all types of entities together, see `scores_of_counts`.

    Args:
        truth: the tags of each sentence.
        guess: those that were told, as many.

    Raises:
        InputError: there is no sentence, or one has not as many guesses as tags.

    Example:
        >>> entity_scores([["B-x", "O"], ["B-y"]], [["B-x", "O"], ["B-x"]])
        {'f1': 0.5, 'precision': 0.5, 'recall': 0.5, 'accuracy': 0.666...}

    Source: Tjong Kim Sang and De Meulder 2003, "Introduction to the CoNLL-2003 Shared Task", and its scorer
    `conlleval`.
    """
    if not len(truth):
        raise InputError("there is no sentence to score; give at least one")
    return scores_of_counts(entity_counts(truth, guess))


def scores_by_type(truth: Tags, guess: Tags) -> dict[str, dict[str, float]]:
    """Return `f1`, `precision`, `recall` and the number of `entities` of each type that occurs, in alphabetical order.

    Args:
        truth: the tags of each sentence.
        guess: those that were told, as many.

    Example:
        >>> scores_by_type([["B-x", "O"]], [["B-x", "B-y"]])["x"]
        {'f1': 1.0, 'precision': 1.0, 'recall': 1.0, 'entities': 1}
    """
    counts: tuple[Counter[str], ...] = (Counter(), Counter(), Counter())
    for tags, told in zip(truth, guess, strict=True):
        true, found = set(entities(tags)), set(entities(told))
        for count, some in zip(counts, (true & found, true, found), strict=True):
            count.update(kind for kind, _, _ in some)
    results = {}
    for kind in sorted({*counts[1], *counts[2]}):
        scores = scores_of_counts(np.array([[*(count[kind] for count in counts), 0, 0]]))
        del scores["accuracy"]
        results[kind] = {**{n: round(value, 6) for n, value in scores.items()}, "entities": counts[1][kind]}
    return results
