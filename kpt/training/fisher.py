"""How much a task depends on each weight: the diagonal of the Fisher information, from gradients of single texts."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kpt.data.labelled_batches import LabelledBatches, LabelledExamples
from kpt.data.permutation import random_bits
from kpt.data.tagged import TaggedExamples
from kpt.data.task_mixture import joint_batch, widened_batch
from kpt.tasks import Classifier, MultiTask, Regressor, TaskModel
from kpt.tasks.classifier import label_probabilities
from kpt.text.vocabulary import Vocabulary
from kpt.training.optimizers import whole_gradient

__all__ = ["diagonal_fisher", "drawn_labels", "squared_gradients"]

_DRAWN = 0xF15E
#: Texts whose outputs are predicted together.
TEXTS = 16


def diagonal_fisher(
    model: MultiTask,
    examples: Mapping[str, LabelledExamples],
    task: str,
    rows: Sequence[int] | np.ndarray,
    seed: int = 0,
) -> list[np.ndarray]:
    r"""Return the diagonal of the Fisher information of a task at the weights of the backbone.

    .. math:: F_i = \frac1n \sum_x \left(\frac{\partial \log p(y|x)}{\partial \theta_i}\right)^2, \quad y \sim p(y|x)

    The labels y are drawn from what the model predicts, as the definition has it; with the true labels it would be the
    "empirical" Fisher information, which says less and less of the loss's curvature the better the labels are known.
    :math:`-\log p` is the loss that the task is trained on (the mean over the words of a text that is tagged, and over
    its labels where it may have several; of a number, with a variance of 1/2).

    Args:
        model: the tasks.
        examples: the texts of each task.
        task: the task.
        rows: numbers of the texts that it is estimated on.
        seed: of the labels.

    Returns:
        float64, one array for each of `model.backbone.trainable_variables`.

    Source: Kirkpatrick et al. 2017, "Overcoming catastrophic forgetting in neural networks"; Kunstner et al. 2019,
    "Limitations of the Empirical Fisher Approximation".
    """
    drawn = copy.copy(examples[task])
    drawn.labels = drawn_labels(
        model.tasks[task], examples[task], rows, np.random.default_rng(int(random_bits(seed, _DRAWN)))
    )
    drawn.weights = None
    return squared_gradients(model, {**examples, task: drawn}, task, rows)


def squared_gradients(
    model: MultiTask, examples: Mapping[str, LabelledExamples], task: str, rows: Sequence[int] | np.ndarray
) -> list[np.ndarray]:
    r"""Return the mean over texts of the squares of the gradient of each text's loss, without dropout.

    .. math:: \frac1n \sum_x \left(\frac{\partial L(x, y)}{\partial \theta_i}\right)^2

    The gradients are those that `fit` gives to an optimizer, so that it works alike on every backend, and compiled.

    Args:
        model: the tasks.
        examples: the texts of each task, with labels.
        task: the task.
        rows: numbers of its texts.

    Returns:
        float64, one array for each of `model.backbone.trainable_variables`.
    """
    probe = GradientProbe(model)
    optimizer = SquaredGradients()
    probe.compile(optimizer=optimizer)
    probe.fit(LabelledBatches(SingleTexts(examples, task, rows), batch_size=1), shuffle=False, verbose=0)
    return [
        np.asarray(ops.convert_to_numpy(optimizer.sum_of(variable)), np.float64) / len(rows)
        for variable in model.backbone.trainable_variables
    ]


def drawn_labels(
    task: TaskModel, examples: LabelledExamples, rows: Sequence[int] | np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Return labels of texts drawn from the probabilities that a model gives them; other texts keep theirs.

    Args:
        task: the task's model.
        examples: its texts.
        rows: numbers of the texts.
        generator: draws the labels. A number is drawn from the normal distribution around what is told, of variance
            1/2, of which the squared error is the negative logarithm but for a constant.
    """
    labels: np.ndarray = np.asarray(examples.labels).copy()
    rows = np.asarray(rows)
    for begin in range(0, len(rows), TEXTS):
        some = rows[begin : begin + TEXTS]
        outputs = np.asarray(ops.convert_to_numpy(task.predict_on_batch(examples.batch_of(some)[0])), np.float64)
        for row, output in zip(some, outputs, strict=True):
            if isinstance(examples, TaggedExamples):
                columns = examples.words.words(int(row))
                tags = np.array(labels[row])
                tags[: len(columns)] = _drawn_names(output[columns], generator)
                labels[row] = tags
            elif isinstance(task, Regressor):
                labels[row] = output + generator.normal() * np.sqrt(0.5)
            elif isinstance(task, Classifier) and task.multi_label:
                labels[row] = generator.random(len(output)) < label_probabilities(output, multi_label=True)
            else:
                labels[row] = _drawn_names(output[None], generator)[0]
    return labels


def _drawn_names(logits: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A number of a label for each row of logits."""
    below = label_probabilities(logits).cumsum(axis=-1) < generator.random((len(logits), 1))
    return np.minimum(below.sum(axis=-1), logits.shape[-1] - 1)


class SingleTexts:
    """Makes batches of one text each; see `kpt.data.LabelledBatches`."""

    def __init__(self, examples: Mapping[str, LabelledExamples], task: str, rows: Sequence[int] | np.ndarray) -> None:
        self.tasks, self.name, self.chosen, self.seed = dict(examples), task, np.asarray(rows), 0

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokenizer's pieces."""
        return self.tasks[self.name].vocabulary

    def steps(self, batch_size: int) -> int:
        """Return the number of texts."""
        return len(self.chosen)

    def examples(self, step: int, batch_size: int, rows: slice = slice(None), exact: bool = False) -> Any:
        """Return the text of a step."""
        return joint_batch(self.tasks, [(self.name, self.chosen[step : step + 1])], exact=exact)

    def widened(self, batch: Any, columns: int) -> Any:
        """Return a batch with so many columns of padding more."""
        return widened_batch(self.tasks, batch, columns)


class GradientProbe(keras.Model):
    """A model of tasks whose `fit` computes the gradients without dropout."""

    def __init__(self, model: MultiTask) -> None:
        super().__init__()
        self.model = model
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the outputs of the tasks as in prediction."""
        return self.model(inputs, training=False)

    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
        """Return the loss of the tasks."""
        return self.model.compute_loss(*args, **kwargs)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Return the loss alone."""
        return self.get_metrics_result()


class SquaredGradients(keras.optimizers.Optimizer):
    """An optimizer that leaves the weights as they are and adds up the squares of their gradients."""

    def __init__(self) -> None:
        super().__init__(learning_rate=0.0, name="squared_gradients")
        self._sums: list[Any] = []

    def build(self, variables: Any) -> None:
        """Make the sums, in float32."""
        if not self.built:
            super().build(variables)
            self._sums = [self.add_variable_from_reference(each, "square", initializer="zeros") for each in variables]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Add the square of a gradient."""
        total = self._sums[self._get_variable_index(variable)]
        self.assign_add(total, ops.square(ops.cast(whole_gradient(gradient), total.dtype)))

    def sum_of(self, variable: Any) -> Any:
        """Return the sum of the squares of a weight's gradients."""
        return self._sums[self._get_variable_index(variable)]
