"""The next sentence objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import keras
from keras import ops

from kpt.errors import InputError
from kpt.layers import truncated_normal
from kpt.objectives.objective import Objective, token_cross_entropy

__all__ = ["NextSentence"]


@keras.saving.register_keras_serializable("kpt")
class NextSentence(Objective):
    r"""Tell whether the second text follows the first: :math:`L = -\log p(y \mid \mathrm{pooled})`.

    Label 0 means that it follows and 1 that it is from another document, as in BERT's checkpoints. The pairs come
    from `kpt.data.SentencePairs`.

    Args:
        weight: Factor on the loss in the sum that is trained.
        name: Name under which loss and metrics are logged.

    Source: Devlin et al. 2018, "BERT", section 3.1, task 2.
    """

    required: ClassVar[tuple[str, ...]] = ("next_sentence_labels",)
    default_name: ClassVar[str] = "next_sentence"

    def build_head(self, backbone: Any) -> None:
        """Create the head for a backbone.

        Args:
            backbone: A model with `width` and an output `pooled`.

        Raises:
            InputError: If the backbone has no pooler.
        """
        if "pooled" not in backbone.output:
            raise InputError("NextSentence needs the backbone's pooled output; build the encoder with pooler=True.")
        self.head = keras.layers.Dense(
            2, kernel_initializer=truncated_normal(), dtype=self.dtype_policy, name=f"{self.name}_head"
        )
        self.head.build((None, backbone.width))
        self.built = True

    def call(
        self, outputs: Mapping[str, Any], inputs: Mapping[str, Any], project: Callable[[Any], Any] | None = None
    ) -> Any:
        """Return logits `[batch, 2]`."""
        return self.head(outputs["pooled"])

    def compute_output_spec(self, outputs: Any, inputs: Any, project: Any = None, **_: Any) -> Any:
        return keras.KerasTensor((outputs["pooled"].shape[0], 2), dtype=self.compute_dtype)

    def losses_and_hits(self, inputs: Mapping[str, Any], predictions: Any) -> tuple[Any, Any, Any]:
        """Return losses, hits and weights, `[batch]` each."""
        labels = inputs["next_sentence_labels"]
        losses = token_cross_entropy(predictions, labels)
        hits = ops.equal(ops.cast(ops.argmax(predictions, axis=-1), "int32"), ops.cast(labels, "int32"))
        return losses, ops.cast(hits, "float32"), ops.ones_like(losses)
