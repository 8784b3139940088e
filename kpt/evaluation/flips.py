"""Whether a model tells something else of a text when words in it are swapped, such as he and she."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from kpt.data.conll import TaggedWords
from kpt.data.labelled import LabelledTexts
from kpt.data.squad import Questions
from kpt.errors import InputError
from kpt.evaluation.bootstrap import bootstrap_intervals
from kpt.evaluation.word_swaps import WordSwap, swap_table, swapped
from kpt.tasks import Classifier, Regressor, TaskModel
from kpt.text.word_spans import word_spans

__all__ = ["counterfactual_flips"]

#: Characters of a text that are shown, and of these such as stand before the first word that was swapped.
SHOWN, BEFORE = 160, 60


class Told(NamedTuple):
    """What a model tells of texts.

    Attributes:
        values: float64 [texts, labels], probabilities; or numbers, [texts, 1].
        names: of each text what it is told to be.
    """

    values: np.ndarray
    names: list[Any]


def counterfactual_flips(
    model: TaskModel,
    data: LabelledTexts | TaggedWords | Questions,
    swaps: Sequence[WordSwap],
    *,
    batch_size: int = 32,
    resamples: int = 1000,
    seed: int = 0,
    most: int = 10,
) -> dict[str, Any]:
    r"""Predict each text that has a word of the pairs again with the other word in its place, and tell what changes.

    .. math:: \text{change} = \max_y |p(y \mid x') - p(y \mid x)|

    x is the text and x' the same with all words swapped at once, both of a pair by each other (`swapped`). For a pair
    by itself its words alone are swapped. What is true of the texts does not matter.

    Args:
        model: a classifier, or a regressor, whose change is that of its number and which flips nothing.
        data: the texts.
        swaps: the pairs of words (`read_word_swaps`).
        batch_size: texts of a batch.
        resamples: draws for the 95 % intervals (`bootstrap_intervals`); 0 for none.
        seed: of these.
        most: number of texts to return of those that change most.

    Returns:
        `texts`, those with a word of the pairs; of a classifier `flipped`, how many of them get another label, and
        `flip_rate`, their share; `change`, the mean; `intervals` of these; `pairs`, the same for each pair of which a
        text has a word, with `shift`: how much the probability of each label (or the number) is higher on average with
        the second word than with the first, over the texts that have one of them alone; `absent`, the pairs that no
        text has; `most`, the texts that change most, with their place, and what is told of them.

    Raises:
        InputError: no text has a word of the pairs, or the model tells something else.

    Source: Garg et al. 2019, "Counterfactual Fairness in Text Classification through Robustness"; Dixon et al. 2018.
    """
    if not isinstance(model, Classifier | Regressor) or not isinstance(data, LabelledTexts):
        raise InputError(f"a {type(model).__name__} tells neither labels nor numbers of texts; leave the pairs out")
    rows = [(text,) if data.pairs is None else (text, data.pairs[n]) for n, text in enumerate(data.texts)]
    words = [{text[a:b].lower() for text in row for a, b in word_spans(text)} for row in rows]
    table = swap_table(swaps)
    chosen = [number for number, there in enumerate(words) if not there.isdisjoint(table)]
    if not chosen:
        raise InputError(f"none of the {len(data):,} texts has a word of the {len(swaps):,} pairs; give other pairs")
    whole = {number: tuple(swapped(text, table) for text in rows[number]) for number in chosen}
    of_pair: dict[WordSwap, dict[int, tuple[str, ...]]] = {}
    for swap in swaps:
        alone, own = swap_table([swap]), {swap.first.lower(), swap.second.lower()}
        some = {n: tuple(swapped(text, alone) for text in rows[n]) for n in chosen if not words[n].isdisjoint(own)}
        if some:
            of_pair[swap] = some
    # Each text once, however many pairs it serves.
    asked = list(
        dict.fromkeys([*(rows[n] for n in chosen), *whole.values(), *(x for s in of_pair.values() for x in s.values())])
    )
    at = {row: number for number, row in enumerate(asked)}
    told = tell(model, asked, batch_size)

    def scores(others: dict[int, tuple[str, ...]]) -> dict[str, Any]:
        before, after = (np.array([at[row] for row in some]) for some in ([rows[n] for n in others], others.values()))
        change = np.abs(told.values[after] - told.values[before]).max(axis=1)
        measured = {"change": change}
        results: dict[str, Any] = {"texts": len(others)}
        if isinstance(model, Classifier):
            flips = np.array([told.names[a] != told.names[b] for a, b in zip(after, before, strict=True)])
            measured = {"flip_rate": flips, "change": change}
            results["flipped"] = int(flips.sum())
        results |= {name: round(float(each.mean()), 6) for name, each in measured.items()}

        def means(drawn: np.ndarray) -> dict[str, float]:
            return {name: each[drawn].mean() for name, each in measured.items()}

        if resamples:
            results["intervals"] = bootstrap_intervals(means, len(others), resamples=resamples, seed=seed)
        return results

    results = scores(whole) | {"pairs": {}}
    for swap, some in of_pair.items():
        signs = {n: _side(swap, words[n]) for n in some}
        moved = [sign * (told.values[at[some[n]]] - told.values[at[rows[n]]]) for n, sign in signs.items() if sign]
        shift = [round(float(value), 6) for value in np.mean(moved, axis=0)] if moved else None
        named = (
            dict(zip(model.labels, shift, strict=True))
            if shift and isinstance(model, Classifier)
            else shift and shift[0]
        )
        results["pairs"][swap.name] = scores(some) | ({} if shift is None else {"shift": named})
    results["absent"] = [swap.name for swap in swaps if swap not in of_pair]
    changes = {n: float(np.abs(told.values[at[row]] - told.values[at[rows[n]]]).max()) for n, row in whole.items()}
    results["most"] = [
        {
            "change": round(changes[n], 6),
            "told": told.names[at[rows[n]]],
            "swapped_told": told.names[at[whole[n]]],
            "place": data.places[n],
            "text": _excerpt(rows[n], whole[n]),
            "swapped": _excerpt(whole[n], rows[n]),
        }
        for n in sorted(changes, key=lambda n: (-changes[n], n))[:most]
    ]
    return results


def tell(model: TaskModel, rows: Sequence[tuple[str, ...]], batch_size: int) -> Told:
    """Return what a model tells of texts, or of pairs of them.

    Args:
        model: a classifier or a regressor.
        rows: of each text itself, or itself and its second.
        batch_size: texts of a batch.
    """
    x = [row if len(row) > 1 else row[0] for row in rows]
    if isinstance(model, Classifier):
        chances = model.probabilities(x, batch_size=batch_size)
        if model.multi_label:
            return Told(chances, [[model.labels[i] for i in np.flatnonzero(row >= 0.5)] for row in chances])
        return Told(chances, [model.labels[i] for i in chances.argmax(axis=1)])
    numbers = np.asarray(model.predict(x, batch_size=batch_size, verbose=0), np.float64)
    return Told(numbers[:, None], [round(float(number), 6) for number in numbers])


def _side(swap: WordSwap, words: set[str]) -> int:
    """Return 1 for a text that has the first word alone, -1 for the second, and 0 for both."""
    return (swap.first.lower() in words) - (swap.second.lower() in words)


def _excerpt(row: tuple[str, ...], other: tuple[str, ...]) -> str:
    """Return the part of a text where it first differs from another."""
    text, against = next((pair for pair in zip(row, other, strict=True) if pair[0] != pair[1]), (row[0], other[0]))
    at = next((n for n, (a, b) in enumerate(zip(text, against, strict=False)) if a != b), min(len(text), len(against)))
    begin = 0 if len(text) <= SHOWN else max(0, min(at - BEFORE, len(text) - SHOWN))
    part = " ".join(text[begin : begin + SHOWN].split())
    return ("\u2026" if begin else "") + part + ("\u2026" if begin + SHOWN < len(text) else "")
