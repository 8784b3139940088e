"""How well a task model tells what it was trained to tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kpt.data.conll import TaggedWords
from kpt.data.labelled import LabelledTexts, label_ids
from kpt.data.labelled_batches import LabelledBatches, LabelledExamples
from kpt.data.questions import QuestionExamples
from kpt.data.squad import Questions
from kpt.data.tagged import TaggedExamples, encode_words
from kpt.data.text_sequences import encode_texts
from kpt.errors import InputError
from kpt.evaluation.answers import answer_f1, answer_scores, best_threshold, mean_answer_scores, question_scores
from kpt.evaluation.bootstrap import bootstrap_intervals
from kpt.evaluation.classification import classification_scores, confusion_matrix, multi_label_scores
from kpt.evaluation.entities import entity_counts, scores_by_type, scores_of_counts
from kpt.evaluation.regression import regression_scores
from kpt.tasks import Classifier, QuestionAnswerer, Regressor, Tagger, TaskModel
from kpt.tasks.tagger import ragged_rows

__all__ = [
    "evaluate_task",
    "label_kind",
    "labelled_examples",
    "main_score",
    "tag_names",
    "task_scores",
    "text_losses",
]


def label_kind(model: TaskModel) -> Any:
    """Return what a label is to a model, as `kpt.data.read_labelled` calls it; `"tags"` of words, `"answers"`."""
    if isinstance(model, QuestionAnswerer):
        return "answers"
    if isinstance(model, Tagger):
        return "tags"
    if isinstance(model, Regressor):
        return "number"
    return "several" if isinstance(model, Classifier) and model.multi_label else "single"


def main_score(model: TaskModel) -> str:
    """Return the name of the score that counts: macro-F1, F1 of entities or answers, Pearson's correlation."""
    if isinstance(model, QuestionAnswerer):
        return "answer_f1"
    if isinstance(model, Tagger):
        return "f1"
    return "pearson" if isinstance(model, Regressor) else "macro_f1"


def labelled_examples(
    model: TaskModel, data: LabelledTexts | TaggedWords | Questions, **options: Any
) -> LabelledExamples:
    """Return examples for a model out of labelled texts.

    Args:
        model: the model, with its tokenizer.
        data: the texts; for a tagger, tagged words; for a question answerer, questions.
        **options: of `LabelledExamples`.

    Raises:
        InputError: a label is not among the model's, or the model has no tokenizer.
    """
    if model.tokenizer is None:
        raise InputError("the model has no tokenizer to read texts by; set its tokenizer")
    if isinstance(data, Questions):
        return question_examples(model, data, **options)
    if isinstance(data, TaggedWords):
        rows = [
            label_ids(tags, model.labels, places=[data.place(number, word) for word in range(len(tags))])
            for number, tags in enumerate(data.labels)
        ]
        words = encode_words(model.tokenizer, data.texts, length=model.length)
        return TaggedExamples(words, model.tokenizer.vocabulary, ragged_rows(rows), **options)
    if isinstance(model, Classifier):
        labels = label_ids(data.labels, model.labels, model.multi_label, data.places)
    else:
        labels = model.targets(data.labels)
    texts = encode_texts(model.tokenizer, data.texts, data.pairs, length=model.length, windows=model.windows)
    return LabelledExamples(texts, model.tokenizer.vocabulary, labels, **options)


def question_examples(model: TaskModel, data: Questions, **options: Any) -> QuestionExamples:
    """Return examples of questions; a model is trained on the first of several answers, and scored by all.

    Args:
        model: a question answerer, with its tokenizer.
        data: the questions.
        **options: of `QuestionExamples`.

    Raises:
        InputError: the model is of another kind, or an answer has no word of its text.
    """
    if not isinstance(model, QuestionAnswerer):
        raise InputError(f"a {type(model).__name__} answers no questions; give a run of `kpt finetune qa`")
    truth = np.empty(len(data), object)
    for number, pair in enumerate(zip(data.contexts, data.golds, strict=True)):
        truth[number] = pair
    answers = [some[0] if some else None for some in data.answers]
    return model.examples(data.texts, data.contexts, answers, truth=truth, **options)


def threshold_scores(truth: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """Return the threshold at which F1 is best, and that F1, where some questions have no answer; see `best_threshold`.

    Args:
        truth: the text and the true answers of each question.
        found: what a model found, `kpt.tasks.question_answerer.FOUND`.
    """
    golds = [some for _, some in truth]
    if all(golds):
        return {}
    spans = [text[one["start"] : one["end"]] for (text, _), one in zip(truth, found, strict=True)]
    scores = [answer_f1(some, span) for some, span in zip(golds, spans, strict=True)]
    null = np.nan_to_num(found["null_score"] - found["score"], posinf=1e30)
    best = best_threshold(scores, null, golds)
    told = null <= best
    f1 = np.mean([score if shown else not some for score, shown, some in zip(scores, told, golds, strict=True)])
    return {"best_threshold": round(float(-np.clip(best, -1e30, 1e30)), 6), "best_f1": round(float(f1), 6)}


def text_losses(model: TaskModel, truth: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    r"""Return the loss of each text: the cross-entropy in nats, or the squared error.

    .. math:: \log \sum_j e^{z_j} - z_y, \qquad \tfrac1k \sum_j \log(1 + e^{z_j}) - y_j z_j, \qquad (y - z)^2

    Args:
        model: the model.
        truth: what is true, as `targets` of the model gives it.
        outputs: what the model predicts, logits or numbers.

    Returns:
        float64 [texts]; of a tagger the mean over the words of a text that have logits, of a question
        over its windows.
    """
    if isinstance(model, QuestionAnswerer):
        return np.asarray(outputs["loss"], np.float64)
    if isinstance(model, Tagger):
        return np.array([_word_loss(*row) for row in zip(truth, outputs, strict=True)], np.float64)
    z = np.asarray(outputs, np.float64)
    if isinstance(model, Regressor):
        return (np.asarray(truth, np.float64) - z) ** 2
    if isinstance(model, Classifier) and model.multi_label:
        return np.mean(np.logaddexp(0, z) - truth * z, axis=1)
    return np.logaddexp.reduce(z, axis=1) - z[np.arange(len(z)), truth]


def task_scores(model: TaskModel, truth: np.ndarray, outputs: np.ndarray) -> dict[str, float]:
    """Return the scores of predictions, see `classification_scores`, `multi_label_scores` and `regression_scores`.

    Those of a tagger are `kpt.evaluation.entity_scores`, those of answers `answer_scores`.

    Args:
        model: the model.
        truth: what is true, as `targets` of the model gives it.
        outputs: what the model predicts, logits or numbers.
    """
    if isinstance(model, QuestionAnswerer):
        return answer_scores([golds for _, golds in truth], model.answers([text for text, _ in truth], outputs))
    if isinstance(model, Tagger):
        return scores_of_counts(entity_counts(*tag_names(model, truth, outputs)))
    if isinstance(model, Regressor):
        return regression_scores(truth, outputs)
    if isinstance(model, Classifier) and model.multi_label:
        return multi_label_scores(truth > 0.5, outputs >= 0)
    return classification_scores(truth, outputs.argmax(axis=1), outputs.shape[1])


def scores_of_rows(
    model: TaskModel, truth: np.ndarray, outputs: np.ndarray
) -> Callable[[np.ndarray], dict[str, float]]:
    """Return a function from numbers of texts to their `task_scores`, which looks at each text once.

    Args:
        model: the model.
        truth: see `task_scores`.
        outputs: likewise.
    """
    if isinstance(model, Tagger):
        counts = entity_counts(*tag_names(model, truth, outputs))
        return lambda rows: scores_of_counts(counts[rows])
    if isinstance(model, QuestionAnswerer):
        told = model.answers([text for text, _ in truth], outputs)
        scored = question_scores([golds for _, golds in truth], told)
        return lambda rows: mean_answer_scores(scored[rows])
    return lambda rows: task_scores(model, truth[rows], outputs[rows])


def tag_names(model: Tagger, truth: np.ndarray, outputs: np.ndarray) -> tuple[list[list[str]], list[list[str]]]:
    """Return the true and the most probable tags of the words of each text; `O` where a word has no logits.

    Args:
        model: the tagger.
        truth: for each text the numbers of its tags.
        outputs: for each text its logits, [words, tags].
    """
    true = [[model.labels[i] for i in tags] for tags in truth]
    return true, [model.names_of(logits, len(tags)) for logits, tags in zip(outputs, true, strict=True)]


def evaluate_task(
    model: TaskModel,
    data: LabelledTexts | TaggedWords | Questions,
    *,
    batch_size: int = 32,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Evaluate a task model on labelled texts.

    Args:
        model: the model, with its tokenizer.
        data: the texts, with labels of the model's kind (`label_kind`).
        batch_size: texts of a batch.
        resamples: draws for the 95 % intervals (`bootstrap_intervals`); 0 for no intervals.
        seed: of these.

    Returns:
        `texts`, `cut` (how many were over the length), `loss`, the scores by name, `intervals` of these and, of a
        classifier whose texts have one label each, `labels` and the `confusion` matrix; of a tagger the scores by
        `types` of entities.

    Raises:
        InputError: a label is not among the model's, or there are too few texts.
    """
    examples = labelled_examples(model, data, shuffle=False)
    outputs = model.predict_in_order(LabelledBatches(examples, batch_size=batch_size, repeat=True))
    truth = examples.truth
    results: dict[str, Any] = {
        "texts": len(data),
        "cut": examples.texts.cut,
        "loss": round(float(text_losses(model, truth, outputs).mean()), 6),
        **{name: round(value, 6) for name, value in task_scores(model, truth, outputs).items()},
    }
    if isinstance(model, Tagger):
        results["types"] = scores_by_type(*tag_names(model, truth, outputs))
    if isinstance(model, QuestionAnswerer):
        results |= threshold_scores(truth, outputs)
    if resamples:
        scores = scores_of_rows(model, truth, outputs)
        results["intervals"] = bootstrap_intervals(scores, len(data), resamples=resamples, seed=seed)
    if label_kind(model) == "single":
        confusion = confusion_matrix(truth, outputs.argmax(axis=1), outputs.shape[1])
        results |= {"labels": list(getattr(model, "labels", ())), "confusion": confusion.tolist()}
    return results


def _word_loss(tags: np.ndarray, logits: np.ndarray) -> float:
    if not len(logits):
        return 0.0
    z = np.asarray(logits, np.float64)
    return float(np.mean(np.logaddexp.reduce(z, axis=1) - z[np.arange(len(z)), tags[: len(z)]]))
