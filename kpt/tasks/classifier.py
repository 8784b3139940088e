"""Classes of texts: one of several, or any of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kpt.data.labelled import label_ids
from kpt.errors import InputError
from kpt.tasks.task_model import TaskModel, as_labels

__all__ = ["Classifier", "label_probabilities"]


def label_probabilities(logits: np.ndarray, multi_label: bool = False) -> np.ndarray:
    r"""Return probabilities of logits: the softmax over the labels, or the sigmoid of each.

    .. math:: p_i = e^{z_i} / \sum_j e^{z_j}, \qquad p_i = 1 / (1 + e^{-z_i})

    Args:
        logits: [texts, labels].
        multi_label: whether a text may have several labels.

    Returns:
        float64 [texts, labels].

    Example:
        >>> label_probabilities(np.array([[0.0, 0.0]])).tolist()
        [[0.5, 0.5]]
    """
    z = np.asarray(logits, np.float64)
    if multi_label:
        return np.exp(-np.logaddexp(0, -z))
    exponentials = np.exp(z - z.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


@keras.saving.register_keras_serializable("kpt")
class Classifier(TaskModel):
    """A classifier of texts or of pairs of texts; see `TaskModel` for what it takes.

    Labels are strings, the names. A model of two labels is a binary classifier. It is trained on the cross-entropy of
    its labels, or, where a text may have several, on the mean of the cross-entropies of each.

    Args:
        backbone: The model below, such as `kpt.Encoder`.
        labels: Names of the labels.
        multi_label: Whether a text may have several labels, or none.
        **options: `pooling`, `dropout`, `length`, `tokenizer` and others of `TaskModel`.

    Returns:
        Logits `[batch, labels]`; see `probabilities` and `classify`.

    Raises:
        InputError: If there are fewer than two labels or two of them are the same, or as `TaskModel`.

    Example:
        >>> from kpt import Encoder, WordPieceTokenizer
        >>> tokenizer = WordPieceTokenizer.train(["good film", "bad film"] * 2, 27)
        >>> encoder = Encoder(tokenizer.vocabulary.size, width=8, depth=1, heads=2)
        >>> classifier = Classifier(encoder, ["neg", "pos"], tokenizer=tokenizer, length=16)
        >>> classifier.compile(optimizer="adamw")
        >>> _ = classifier.fit(["good film", "bad film"], ["pos", "neg"], verbose=0)
        >>> classifier.probabilities(["a good one"]).shape
        (1, 2)
    """

    def __init__(self, backbone: keras.Model, labels: Sequence[str], multi_label: bool = False, **options: Any) -> None:
        names = tuple(labels)
        if isinstance(labels, str) or len(names) < 2 or len(set(names)) != len(names):
            raise InputError(f"labels are {labels!r}; give two or more different names")
        super().__init__(backbone, len(names), **options)
        self.labels, self.multi_label = names, multi_label

    def targets(self, labels: Any) -> np.ndarray:
        """Return labels as the loss takes them, see `kpt.data.label_ids`; an array of numbers as it is."""
        values = as_labels(labels)
        return values if isinstance(values, np.ndarray) else label_ids(values, self.labels, self.multi_label)

    def probabilities(self, x: Any, **options: Any) -> np.ndarray:
        """Return the probability of each label.

        Args:
            x: As in `predict`.
            **options: Of `predict`.

        Returns:
            float64 [texts, labels]; each row sums to 1 unless a text may have several labels.
        """
        return label_probabilities(self.predict(x, **{"verbose": 0, **options}), self.multi_label)

    def classify(self, x: Any, **options: Any) -> list[Any]:
        """Return the most probable label of each text, or those with a probability of at least one half.

        Args:
            x: As in `predict`.
            **options: Of `predict`.

        Returns:
            A name for each text, or a tuple of names where a text may have several.
        """
        return self._labels_of(self.probabilities(x, **options))

    def _labels_of(self, probabilities: np.ndarray) -> list[Any]:
        if self.multi_label:
            return [tuple(self.labels[i] for i in np.flatnonzero(row >= 0.5)) for row in probabilities]
        return [self.labels[i] for i in probabilities.argmax(axis=-1)]

    def tell(self, x: Any, **options: Any) -> list[dict[str, Any]]:
        """Return for each text `label` (or `labels`, where it may have several) as `classify`, and `probabilities`.

        Args:
            x: Strings, or pairs of them.
            **options: Of `predict`.

        Returns:
            A dict for each text; `probabilities` has the probability of each label by its name.
        """
        probabilities = self.probabilities(x, **options)
        told = []
        for row, label in zip(probabilities, self._labels_of(probabilities), strict=True):
            chances = {name: round(float(chance), 6) for name, chance in zip(self.labels, row, strict=True)}
            found = {"labels": list(label)} if self.multi_label else {"label": label}
            told.append({**found, "probabilities": chances})
        return told

    def default_loss(self) -> keras.losses.Loss:
        """Return the cross-entropy from logits."""
        if self.multi_label:
            return keras.losses.BinaryCrossentropy(from_logits=True)
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def default_metrics(self) -> list[Any]:
        """Return the accuracy; where a text may have several labels, the mean of theirs."""
        if self.multi_label:
            return [keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)]
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "labels": list(self.labels), "multi_label": self.multi_label}
