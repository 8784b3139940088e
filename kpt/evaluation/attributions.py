"""What each token of a text adds to what a task model tells of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import keras
import numpy as np

from kpt.data.labelled_batches import LabelledBatches, LabelledExamples
from kpt.data.text_sequences import encode_texts
from kpt.errors import InputError
from kpt.evaluation.input_gradients import input_gradient
from kpt.tasks import Classifier, Regressor, TaskModel

__all__ = ["Attributions", "token_attributions"]

#: How far the values may be from adding up, as a share of the sum of their sizes, and doublings of the steps till then.
TOLERANCE, DOUBLINGS = 0.01, 4
#: Points that are computed together.
AT_ONCE = 16


class Attributions(NamedTuple):
    """What a model's output is made of.

    Attributes:
        pieces: the tokens as text, those of the sequence's marks too.
        values: float64 [tokens], what each adds; those of marks are 0.
        label: the label whose logit this is; of a number nothing.
        output: the logit or the number.
        baseline: the same of the text without content.
    """

    pieces: list[str]
    values: np.ndarray
    label: str | None
    output: float
    baseline: float

    @property
    def gap(self) -> float:
        """How far the sum of the values is from `output - baseline`; it falls with the number of steps."""
        return float(self.values.sum() - (self.output - self.baseline))


def token_attributions(
    model: TaskModel, text: str, pair: str | None = None, *, label: str | None = None, steps: int = 64
) -> Attributions:
    r"""Return the integrated gradients of a text's tokens.

    .. math:: a_t = (e_t - b)^\top \int_0^1 \nabla_{e_t} f\big(b + \alpha (e - b)\big)\, d\alpha, \qquad
        \sum_t a_t = f(e) - f(b)

    with e the tokens' embeddings, b that of the mask token (of the padding or the unknown token, where there is none)
    in the place of each, and f the logit of a label or the number. The marks of the sequence stay. The integral is a
    sum over the nodes of Gauss and Legendre, whose number is doubled, four times at most, until the values add up to
    within a hundredth of the sum of their sizes. Where a way passes close to a vector of zeros, which normalizations
    blow up, that may not be enough: `gap` tells.

    Args:
        model: a classifier or a regressor, with its tokenizer.
        text: what it tells something of; what is over the model's `length` is cut.
        pair: the second text.
        label: whose logit; by default that of the most probable label.
        steps: nodes of the integral at first.

    Raises:
        InputError: the model tags words, has no tokenizer or no such label, the text has no token, or there is no step.

    Source: Sundararajan, Taly and Yan 2017, "Axiomatic Attribution for Deep Networks".
    """
    if not isinstance(model, Classifier | Regressor):
        raise InputError(f"a {type(model).__name__} has no one output for a text; give a classifier or a regressor")
    if model.tokenizer is None:
        raise InputError("the model has no tokenizer to read texts by; set its tokenizer")
    if steps < 1:
        raise InputError(f"steps is {steps}; give 1 or more")
    inputs = _inputs(model, text, pair)
    ids, vocabulary = inputs["token_ids"][0], model.tokenizer.vocabulary
    content = ~np.isin(ids, vocabulary.special_ids) | (ids == vocabulary.roles.get("unk", -1))
    if not content.any():
        raise InputError(f"the text {text[:40]!r} has no token; give one with something in it")
    table = keras.ops.convert_to_numpy(keras.ops.cast(model.backbone.token_embedding.embeddings, "float32"))
    empty = next((vocabulary.roles[role] for role in ("mask", "pad", "unk", "end") if role in vocabulary.roles), None)
    whole = table[ids]
    base = np.where(content[:, None], table.mean(axis=0) if empty is None else table[empty], whole)

    def logits(vectors: Any) -> Any:
        batch = {name: np.repeat(value, vectors.shape[0], axis=0) for name, value in inputs.items()}
        with _embedded(model.backbone.token_embedding, vectors):
            return keras.ops.cast(model(batch, training=False), "float32")

    ends = keras.ops.convert_to_numpy(logits(keras.ops.convert_to_tensor(np.stack([whole, base]))))
    column = _column(model, label, ends[0])
    output, baseline = (float(end if column is None else end[column]) for end in ends)
    for count in (steps << doubled for doubled in range(DOUBLINGS + 1)):
        values = _integral(lambda x: logits(x) if column is None else logits(x)[:, column], base, whole, count)
        if abs(values.sum() - (output - baseline)) <= TOLERANCE * np.abs(values).sum():
            break
    pieces = [model.tokenizer.decode([piece]) or vocabulary.tokens[piece] for piece in ids.tolist()]
    return Attributions(pieces, values, None if column is None else model.labels[column], output, baseline)


def _integral(function: Any, base: np.ndarray, whole: np.ndarray, steps: int) -> np.ndarray:
    """Return the integral of the gradient along the way from the baseline to the embeddings, a value a token."""
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    points = base + ((nodes + 1) / 2)[:, None, None] * (whole - base)
    total = np.zeros(whole.shape, np.float64)
    for begin in range(0, steps, AT_ONCE):
        some = slice(begin, begin + AT_ONCE)
        _, gradient = input_gradient(function, points[some].astype(np.float32))
        total += np.einsum("s,stw->tw", weights[some] / 2, gradient.astype(np.float64))
    return (total * (whole - base)).sum(axis=1)


def _inputs(model: TaskModel, text: str, pair: str | None) -> dict[str, np.ndarray]:
    """Return the text as the model takes it, without padding."""
    texts = encode_texts(model.tokenizer, [text], None if pair is None else [pair], length=model.length)
    examples = LabelledExamples(texts, model.tokenizer.vocabulary, None, None, shuffle=False)
    batch: Any = LabelledBatches(examples, batch_size=1, repeat=True)[0]
    inputs = batch[0] if isinstance(batch, tuple) else batch
    count = int(np.asarray(inputs["padding_mask"]).sum())
    return {name: np.asarray(value)[:, :count] for name, value in inputs.items()}


def _column(model: Any, label: str | None, logits: np.ndarray) -> int | None:
    if isinstance(model, Regressor):
        if label is not None:
            raise InputError(f"the label is {label!r}, and the model tells a number; leave it out")
        return None
    if label is None:
        return int(np.argmax(logits))
    if label not in model.labels:
        raise InputError(f"the model has no label {label!r}; it has {', '.join(model.labels[:10])}")
    return int(model.labels.index(label))


@contextmanager
def _embedded(layer: keras.layers.Layer, vectors: Any) -> Iterator[None]:
    """Let a layer return given vectors for a moment, whatever it is asked for."""
    layer.call = lambda *_, **__: keras.ops.cast(vectors, layer.compute_dtype)
    try:
        yield
    finally:
        del layer.call
