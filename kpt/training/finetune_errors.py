"""What a tuned model gets wrong, the worst first."""

from __future__ import annotations

from typing import Any

import numpy as np

from kpt.data.conll import TaggedWords
from kpt.data.labelled import LabelledTexts
from kpt.data.squad import Questions
from kpt.evaluation.answers import answer_match
from kpt.evaluation.task_scores import tag_names, text_losses
from kpt.tasks import Classifier, QuestionAnswerer, Tagger, TaskModel, entities
from kpt.tasks.classifier import label_probabilities

__all__ = ["worst_errors"]


def worst_errors(
    model: TaskModel,
    data: LabelledTexts | TaggedWords | Questions,
    truth: np.ndarray,
    outputs: np.ndarray,
    most: int = 1000,
) -> list[dict[str, Any]]:
    """Return the texts that were told wrongly, those with the highest loss first.

    Of numbers it is all texts, since none is told exactly. Of tagged words a text is wrong if an entity is; its label
    and its guess are then lists of the entities that are not among the other's. Of questions an answer is wrong if it
    is no exact match; the label is the first true one.

    Args:
        model: the model.
        data: the texts.
        truth: what is true, as `targets` of the model gives it.
        outputs: what the model predicts, logits or numbers.
        most: how many at most.

    Returns:
        `place` (file and line), `text`, `pair` (None without), `label` (what is true), `guess`, `loss` and, of a
        classifier, `probability`: that of the guess, or of several labels the least certain one's.
    """
    if isinstance(data, TaggedWords):
        return _worst_tagged(model, data, truth, outputs, most)
    if isinstance(data, Questions):
        return _worst_answers(model, data, outputs, most)
    losses = text_losses(model, truth, outputs)
    probabilities = label_probabilities(outputs, model.multi_label) if isinstance(model, Classifier) else None
    errors = []
    for row in np.argsort(-losses, kind="stable"):
        error = {"place": data.places[row], "text": data.texts[row], "pair": data.pairs[row] if data.pairs else None}
        if isinstance(model, Classifier) and probabilities is not None:
            told = probabilities[row]
            if model.multi_label:
                label = sorted(data.labels[row], key=model.labels.index)
                guess: Any = [model.labels[i] for i in np.flatnonzero(told >= 0.5)]
                probability = float(np.maximum(told, 1 - told).min())
            else:
                label, guess = data.labels[row], model.labels[int(told.argmax())]
                probability = float(told.max())
            if label == guess:
                continue
            error |= {"label": label, "guess": guess, "probability": round(probability, 4)}
        else:
            error |= {"label": float(data.labels[row]), "guess": round(float(outputs[row]), 4)}
        errors.append({**error, "loss": round(float(losses[row]), 4)})
        if len(errors) == most:
            break
    return errors


def _worst_answers(model: Any, data: Questions, outputs: np.ndarray, most: int) -> list[dict[str, Any]]:
    assert isinstance(model, QuestionAnswerer)
    told, golds = model.answers(data.contexts, outputs), data.golds
    return [
        {
            "place": data.places[row],
            "text": data.texts[row],
            "pair": data.contexts[row],
            "label": golds[row][0] if golds[row] else "no answer",
            "guess": told[row] or "no answer",
            "loss": round(float(outputs["loss"][row]), 4),
        }
        for row in np.argsort(-outputs["loss"], kind="stable")
        if not answer_match(golds[row], told[row])
    ][:most]


def _worst_tagged(
    model: Any, data: TaggedWords, truth: np.ndarray, outputs: np.ndarray, most: int
) -> list[dict[str, Any]]:
    assert isinstance(model, Tagger)
    losses = text_losses(model, truth, outputs)
    true, told = tag_names(model, truth, outputs)
    errors = []
    for row in np.argsort(-losses, kind="stable"):
        there, found = set(entities(true[row])), set(entities(told[row]))
        if there == found:
            continue
        label, guess = (
            [f"{kind}: {' '.join(data.texts[row][begin:end])}" for kind, begin, end in sorted(some, key=lambda e: e[1])]
            for some in (there - found, found - there)
        )
        text = {"place": data.places[row], "text": " ".join(data.texts[row]), "pair": None}
        errors.append({**text, "label": label, "guess": guess, "loss": round(float(losses[row]), 4)})
        if len(errors) == most:
            break
    return errors
