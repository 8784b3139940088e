"""What every pre-training objective has: a corruption, a head, a loss and metrics."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from kpt.distribution import sum_over_replicas
from kpt.errors import InputError
from kpt.text import Vocabulary

__all__ = ["Objective", "token_cross_entropy", "weighted_mean"]


def token_cross_entropy(logits: Any, labels: Any) -> Any:
    r"""Return the cross-entropy of each token in nats.

    .. math:: \ell = \log \sum_j e^{z_j} - z_y

    Args:
        logits: `[..., classes]`; computed with in float32 whatever their dtype.
        labels: Integers `[...]`.

    Returns:
        float32 `[...]`.
    """
    # In rows: PyTorch would move the classes of a tensor of more axes, which takes several times as long. XLA fuses the
    # cast into what reads it; where nothing is fused it is the one copy in float32, which the softmax needs anyhow.
    rows = ops.cast(ops.reshape(logits, (-1, logits.shape[-1])), "float32")
    losses = ops.sparse_categorical_crossentropy(ops.reshape(labels, (-1,)), rows, from_logits=True)
    return ops.reshape(losses, ops.shape(labels))


def weighted_mean(values: Any, weights: Any) -> Any:
    """Return the mean of values under weights, and 0 where all weights are 0.

    Under `tf.distribute` it is this replica's share of the mean over the global batch: the shares add up to it.

    Args:
        values: Any shape.
        weights: The same shape.

    Returns:
        A scalar.
    """
    return ops.sum(ops.multiply(values, weights)) / ops.maximum(sum_over_replicas(ops.sum(weights)), 1.0)


class Objective(keras.layers.Layer):
    """A pre-training objective: it owns the corruption of its examples, its head, its loss and its metrics.

    A subclass says in `required` which keys of a batch its loss needs and overrides `corrupt`, `build_head`, `call` and
    `losses_and_hits`. It sees the backbone's outputs, never its class. The name of its head contains its own: Keras on
    PyTorch clears no gradient of a weight whose path another weight of the model has, and so adds it up.

    Args:
        weight: Factor on the objective's loss in the sum that is trained.
        name: Name under which loss and metrics are logged.

    Raises:
        InputError: If the weight is negative or no number.
    """

    required: ClassVar[tuple[str, ...]] = ()
    default_name: ClassVar[str] = "objective"

    def __init__(self, weight: float = 1.0, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name or self.default_name, **kwargs)
        if not 0 <= weight < math.inf:
            raise InputError(f"The weight of an objective is {weight}; give a number from 0 up.")
        self.weight = weight
        self.loss_metric = keras.metrics.Mean(name=f"{self.name}_loss")
        self.accuracy_metric = keras.metrics.Mean(name=f"{self.name}_accuracy")

    def corrupt(
        self, batch: dict[str, np.ndarray], vocabulary: Vocabulary, generator: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Return the batch with this objective's inputs and labels added.

        Args:
            batch: Arrays as the example makers of `kpt.data` give them.
            vocabulary: The tokenizer's vocabulary.
            generator: The only source of randomness.

        Returns:
            A new dict; the arrays of `batch` are not written to.
        """
        return batch

    def call(
        self, outputs: Mapping[str, Any], inputs: Mapping[str, Any], project: Callable[[Any], Any] | None = None
    ) -> Any:
        """Return the predictions (logits) from the backbone's outputs.

        Args:
            outputs: The backbone's outputs, see `Encoder`.
            inputs: The batch.
            project: The backbone's product with its transposed token embedding.
        """
        raise NotImplementedError

    def losses_and_hits(self, inputs: Mapping[str, Any], predictions: Any) -> tuple[Any, Any, Any]:
        """Return the loss in nats, whether the prediction is right, and the weight, of each thing predicted.

        Args:
            inputs: The batch.
            predictions: What `call` returned.

        Returns:
            Three float32 tensors of one shape.
        """
        raise NotImplementedError

    def loss(self, inputs: Mapping[str, Any], predictions: Any) -> Any:
        """Return the weighted mean loss of a batch, and count it into the metrics.

        Args:
            inputs: The batch.
            predictions: What `call` returned.

        Returns:
            A float32 scalar, not yet multiplied by `weight`.
        """
        losses, hits, weights = self.losses_and_hits(inputs, predictions)
        self.loss_metric.update_state(ops.stop_gradient(losses), sample_weight=weights)
        self.accuracy_metric.update_state(hits, sample_weight=weights)
        return weighted_mean(losses, weights)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "weight": self.weight}
