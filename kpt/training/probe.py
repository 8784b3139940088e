"""A head that is fitted before anything else is trained, to the vectors that the model has of the texts as it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from kpt.data.labelled_batches import LabelledBatches, LabelledExamples
from kpt.tasks import Classifier, Regressor, TaskModel
from kpt.tasks.windows import read_backbone

__all__ = ["fit_head", "fit_linear"]

#: Texts that a head is fitted to at most, and batches of texts that are read without compiling first.
TEXTS, UNCOMPILED = 4_000, 16
#: What cross-validation chooses the strength of the fit from, and its folds.
STRENGTHS, FOLDS = (0.3, 3.0, 30.0, 300.0), 5
#: The scale of the model's own vector beside that of the documents, which says more where labels are few. On the
#: sentiment of reviews (200 labels, three draws) it gave an accuracy of 0.83; 0.3 gave 0.81, and 1 gave 0.77.
SHARE = 0.1
#: The scales of the single tokens beside the vectors of documents, from which cross-validation chooses. Of the reviews'
#: sentiment it takes 0.5 or 1 at 200 labels (accuracy 0.83), and 2 at 1,400 (0.88; none gave 0.85).
TOKEN_SHARES = (0.5, 1.0, 2.0)


def fit_head(model: TaskModel, examples: LabelledExamples, batch_size: int = 32) -> bool:
    r"""Fit the head of a task model to labelled texts, and leave the backbone as it is.

    A head of random numbers would have the first steps change what the model had learned, to suit these numbers. The
    vectors of the texts are scaled to a mean of 0 and a deviation of 1, and the fit is undone for the head by as much;
    how strong it is, cross-validation on the labelled texts says. Of models that tell of each token nothing is.

    Where the head reads vectors of documents, a weight of each token for each output is fitted together with it:

    .. math:: z = W^\top (s^\top E) + B^\top s, \qquad E \leftarrow E + B W^{+}

    with s the shares of the distinct tokens, E their vectors, and B the weights, which the vectors then hold (all of
    them where there are no more outputs than numbers in a vector of documents, else the nearest to them). Few
    labels decide little about single tokens, so that the vectors lead; many do, and the weights add what they lack. The
    weight of a token that n of N texts have is let grow by the root of its inverse document frequency,
    :math:`\sqrt{\log\frac{1 + N}{1 + n} + 1}`.

    Args:
        model: The model.
        examples: The texts with their labels.
        batch_size: Texts that are read at a time.

    Returns:
        Whether the head was fitted.

    Source: Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution"
    (linear probing, then fine-tuning); Cheng et al. 2016, "Wide & Deep Learning for Recommender Systems" (weights of
    tokens beside a deep model); Spärck Jones 1972, "A Statistical Interpretation of Term Specificity and Its
    Application in Retrieval".
    """
    from scipy import sparse

    if not isinstance(model, Classifier | Regressor) or examples.labels is None:
        return False
    vectors, shares, numbers = head_inputs(model, examples, batch_size)
    labels, weights = np.asarray(examples.labels)[numbers], None
    if examples.weights is not None:
        weights = np.asarray(examples.weights, np.float64)[numbers]
    if isinstance(model, Regressor):
        kind, targets = "numbers", ((labels - model.mean) / model.deviation)[:, None].astype(np.float64)
    elif model.multi_label:
        kind, targets = "several", labels.astype(np.float64)
    else:
        kind, targets = "one", np.eye(len(model.labels))[labels]
    told = model.document_width or vectors.shape[1]
    mean, deviation = vectors.mean(axis=0), vectors.std(axis=0)
    scale = 1 / (np.maximum(deviation, 1e-3 * max(deviation.max(), 1e-9)) * np.sqrt(told))
    if model.document_width:
        scale[: -model.document_width] *= SHARE
    scaled, tokens = {1.0: (vectors - mean) * scale}, np.unique(shares.indices)
    if model.document_width:
        rarity = np.sqrt(np.log((1 + len(numbers)) / (1 + np.bincount(shares.indices)[tokens])) + 1)
        single, own = shares[:, tokens].multiply(rarity).tocsr(), sparse.csr_matrix(scaled[1.0])
        unit = 1 / np.sqrt(single.multiply(single).sum(axis=1).mean())
        scaled = {unit * each: sparse.hstack([own, single * (unit * each)]).tocsr() for each in TOKEN_SHARES}
    factor, strength = _least_loss(scaled, targets, weights, kind)
    fitted, bias = fit_linear(scaled[factor], targets, kind, strength, weights)
    kernel = fitted[: len(scale)] * scale[:, None]
    model.head.kernel.assign(kernel.astype(np.float32))
    model.head.bias.assign((bias - mean @ kernel).astype(np.float32))
    if model.document_width:
        held = np.array(keras.ops.convert_to_numpy(model.document_vectors.kernel))
        weights_of_tokens = factor * rarity[:, None] * fitted[len(scale) :]
        held[tokens] += weights_of_tokens @ np.linalg.pinv(kernel[-model.document_width :], rcond=1e-6)
        model.document_vectors.kernel.assign(held)
    return True


def fit_linear(
    vectors: Any, targets: np.ndarray, kind: str, strength: float, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    r"""Fit a linear model with a penalty on its weights.

    .. math:: \min_{W, b} \; \tfrac12 \lVert W \rVert^2 + C \sum_i w_i \, \ell(y_i, W^\top x_i + b)

    with the cross-entropy of one label or the sum of those of several, or half the squared error, as :math:`\ell`.

    Args:
        vectors: x, float [texts, width]; may be a `scipy.sparse` matrix of compressed rows.
        targets: y, float [texts, outputs]: 1 at the label or the labels, else 0; or numbers.
        kind: `"one"`, `"several"` or `"numbers"`.
        strength: C.
        weights: w, float [texts]; by default 1.

    Returns:
        W float64 [width, outputs] and b float64 [outputs].

    Example:
        >>> kernel, bias = fit_linear(np.array([[0.0], [1.0], [2.0]]), np.array([[1.0], [3.0], [5.0]]), "numbers", 1e6)
        >>> round(float(kernel[0, 0]), 3), round(float(bias[0]), 3)
        (2.0, 1.0)
    """
    from scipy.optimize import minimize

    width, outputs = vectors.shape[1], targets.shape[1]
    counted = np.ones(len(targets)) if weights is None else weights

    def value_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        kernel, bias = flat[: width * outputs].reshape(width, outputs), flat[width * outputs :]
        z = vectors @ kernel + bias
        if kind == "one":
            top = z.max(axis=1, keepdims=True)
            total = np.log(np.exp(z - top).sum(axis=1, keepdims=True)) + top
            losses, slopes = (total[:, 0] - (z * targets).sum(axis=1)), np.exp(z - total) - targets
        elif kind == "several":
            losses, slopes = (np.logaddexp(0, z) - z * targets).sum(axis=1), np.exp(-np.logaddexp(0, -z)) - targets
        else:
            losses, slopes = 0.5 * ((z - targets) ** 2).sum(axis=1), z - targets
        slopes = strength * counted[:, None] * slopes
        value = 0.5 * (kernel**2).sum() + strength * float(counted @ losses)
        return value, np.concatenate([(kernel + vectors.T @ slopes).ravel(), slopes.sum(axis=0)])

    start = np.zeros(width * outputs + outputs)
    found = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options={"maxiter": 500}).x
    return found[: width * outputs].reshape(width, outputs), found[width * outputs :]


def head_inputs(model: TaskModel, examples: LabelledExamples, batch_size: int) -> tuple[np.ndarray, Any, np.ndarray]:
    """Return what the head reads of texts, and the texts' numbers: of all, or of some if they are too many.

    Returns:
        float64 [texts, width]; the shares of each text's distinct tokens, a `scipy.sparse` matrix [texts, vocabulary];
        int [texts].
    """
    from scipy import sparse

    order = LabelledExamples(examples.texts, examples.vocabulary, seed=examples.seed)
    batches = LabelledBatches(order, batch_size=batch_size, repeat=True)
    count = min(len(batches), -(-TEXTS // batch_size))
    reader = _HeadInputs(model)
    reader.compile(run_eagerly=count <= UNCOMPILED and keras.backend.backend() != "jax")
    vectors, distinct = [], []
    for index in range(count):
        inputs = batches[index][0]
        vectors.append(reader.predict_on_batch(inputs))
        ids, there = (np.asarray(inputs[name]) for name in ("token_ids", "padding_mask"))
        distinct += [np.unique(row[mask]) for row, mask in zip(ids, there, strict=True)]
    starts = np.cumsum([0, *map(len, distinct)])
    shares = np.concatenate([np.full(len(row), 1 / max(len(row), 1)) for row in distinct])
    shape = (len(distinct), examples.vocabulary.size)
    matrix = sparse.csr_matrix((shares, np.concatenate(distinct), starts), shape=shape)
    return np.concatenate(vectors).astype(np.float64), matrix, order.order(batch_size)[: len(distinct)]


class _HeadInputs(keras.Model):
    """Gives what a model's head reads."""

    def __init__(self, model: TaskModel) -> None:
        super().__init__()
        self.model = model
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        model = self.model
        read = read_backbone(model.backbone, inputs, model.length, model.windows, False)
        return ops.cast(model.head_inputs(read), "float32")


def _least_loss(
    choices: dict[float, Any], targets: np.ndarray, weights: np.ndarray | None, kind: str
) -> tuple[float, float]:
    """Return the choice of vectors and the strength under which texts that a fit has not seen have the least loss.

    The strength is chosen with the choice in the middle, and then the choice with that strength.
    """
    counted = np.ones(len(targets)) if weights is None else weights

    def loss(choice: float, strength: float) -> float:
        vectors, total = choices[choice], 0.0
        for seen, unseen in _folds(len(targets)):
            kernel, bias = fit_linear(vectors[seen], targets[seen], kind, strength, counted[seen])
            z = vectors[unseen] @ kernel + bias
            total += float(counted[unseen] @ _losses(z, targets[unseen], kind))
        return total

    middle = list(choices)[len(choices) // 2]
    by_strength = {strength: loss(middle, strength) for strength in STRENGTHS}
    strength = min(by_strength, key=lambda each: by_strength[each])
    by_choice = {each: by_strength[strength] if each == middle else loss(each, strength) for each in choices}
    return min(by_choice, key=lambda each: by_choice[each]), strength


def _losses(z: np.ndarray, targets: np.ndarray, kind: str) -> np.ndarray:
    if kind == "one":
        return np.logaddexp.reduce(z, axis=1) - (z * targets).sum(axis=1)
    if kind == "several":
        return (np.logaddexp(0, z) - z * targets).sum(axis=1)
    return ((z - targets) ** 2).sum(axis=1)


def _folds(count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Divide texts into those that are seen and those that are not; many less often."""
    numbers = np.random.default_rng(0).permutation(count)
    folds = min(FOLDS, count) if count <= 2_000 else 3
    for fold in range(folds):
        unseen = numbers[fold::folds]
        yield np.setdiff1d(numbers, unseen), unseen
