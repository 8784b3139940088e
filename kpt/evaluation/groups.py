"""How well a task model tells the texts of each group, and how far apart these are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kpt.data.conll import TaggedWords
from kpt.data.labelled import LabelledTexts
from kpt.data.squad import Questions
from kpt.data.subsets import rows_of
from kpt.errors import InputError
from kpt.evaluation.task_scores import evaluate_task, main_score
from kpt.tasks import Regressor, TaskModel

__all__ = ["group_scores"]


def group_scores(
    model: TaskModel, data: LabelledTexts | TaggedWords | Questions, groups: Sequence[str], **options: Any
) -> dict[str, Any]:
    """Return the scores of each group, and the gap between the best and the worst of them.

    A group of very few texts has wide intervals; a gap means little where they overlap.

    Args:
        model: the model, with its tokenizer.
        data: the texts.
        groups: of each text, such as the language or the source that it is from.
        **options: of `kpt.evaluation.evaluate_task`.

    Returns:
        `groups`, with `texts`, `loss`, the scores and their `intervals` for each, and `gap`: the difference between the
        highest and the lowest of the score that counts (`score`), and the groups that have these (`best`, `worst`).

    Raises:
        InputError: there are not as many groups as texts, fewer than two, or one with too few texts to score.

    Source: Dixon et al. 2018, "Measuring and Mitigating Unintended Bias in Text Classification".
    """
    if len(groups) != len(data):
        raise InputError(f"there are {len(groups):,} groups for {len(data):,} texts; give one to each")
    rows: dict[str, list[int]] = {}
    for row, group in enumerate(groups):
        rows.setdefault(group, []).append(row)
    if len(rows) < 2:
        raise InputError(f"all {len(data):,} texts are of one group, {next(iter(rows), '')!r}; group by another field")
    least = 2 if isinstance(model, Regressor) else 1
    found = {}
    for group in sorted(rows):
        if len(rows[group]) < least:
            raise InputError(f"the group {group!r} has {len(rows[group])} text, where {least} are needed; merge groups")
        scores = evaluate_task(model, rows_of(data, rows[group]), **options)
        found[group] = {name: value for name, value in scores.items() if name not in ("labels", "confusion", "types")}
    score = "accuracy" if "accuracy" in next(iter(found.values())) else main_score(model)
    ranked = sorted(found, key=lambda group: found[group][score])
    best, worst = ranked[-1], ranked[0]
    difference = round(found[best][score] - found[worst][score], 6)
    return {"groups": found, "gap": {"score": score, "difference": difference, "best": best, "worst": worst}}
