"""The causal language model objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from kpt.objectives.objective import Objective, token_cross_entropy
from kpt.text import Vocabulary

__all__ = ["CausalLM"]


@keras.saving.register_keras_serializable("kpt")
class CausalLM(Objective):
    r"""Predict each token from those before it.

    .. math:: L = -\frac{1}{T} \sum_{t = 1}^{T} \log p(w_{t + 1} \mid w_1 \dots w_t)

    The loss is in nats a token. An example of :math:`T + 1` tokens gives :math:`T` predictions: its last token is a
    label alone.

    Args:
        weight: Factor on the loss in the sum that is trained.
        name: Name under which loss and metrics are logged.

    Source: Radford et al. 2018, "Improving Language Understanding by Generative Pre-Training", equation 1.
    """

    required: ClassVar[tuple[str, ...]] = ("causal_labels", "causal_weights")
    default_name: ClassVar[str] = "causal_lm"

    def corrupt(
        self, batch: dict[str, np.ndarray], vocabulary: Vocabulary, generator: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Make the tokens but the last the inputs, and those but the first the labels; see `Objective.corrupt`.

        No loss is counted where the next token is padding (`padding_mask`) or stands in another segment
        (`segment_ids`), where a batch has these.

        Args:
            batch: token_ids `[rows, T + 1]`, and any other arrays of that shape.
            vocabulary: Not used.
            generator: Not used.

        Returns:
            The arrays without their last column, and causal_labels int32 and causal_weights float32 `[rows, T]`.
        """
        weights = np.ones_like(batch["token_ids"][:, 1:], dtype=np.float32)
        if "padding_mask" in batch:
            weights *= batch["padding_mask"][:, 1:]
        if "segment_ids" in batch:
            weights *= batch["segment_ids"][:, 1:] == batch["segment_ids"][:, :-1]
        shape = batch["token_ids"].shape
        shorter = {name: value[:, :-1] if value.shape == shape else value for name, value in batch.items()}
        return {**shorter, "causal_labels": batch["token_ids"][:, 1:], "causal_weights": weights}

    def build_head(self, backbone: Any) -> None:
        """Take note of the vocabulary; the head is the backbone's own way from vectors to tokens.

        Args:
            backbone: A model with `vocabulary_size` and `token_embedding`.
        """
        self.vocabulary_size = backbone.vocabulary_size
        self.built = True

    def call(
        self, outputs: Mapping[str, Any], inputs: Mapping[str, Any], project: Callable[[Any], Any] | None = None
    ) -> Any:
        """Return logits `[batch, length, vocabulary]`."""
        assert project is not None
        return project(outputs["sequence"])

    def compute_output_spec(self, outputs: Any, inputs: Any, project: Any = None, **_: Any) -> Any:
        return keras.KerasTensor((*outputs["sequence"].shape[:2], self.vocabulary_size), dtype=self.compute_dtype)

    def losses_and_hits(self, inputs: Mapping[str, Any], predictions: Any) -> tuple[Any, Any, Any]:
        """Return losses, hits and weights, `[batch, length]` each."""
        labels = inputs["causal_labels"]
        hits = ops.equal(ops.cast(ops.argmax(predictions, axis=-1), "int32"), ops.cast(labels, "int32"))
        return token_cross_entropy(predictions, labels), ops.cast(hits, "float32"), inputs["causal_weights"]
