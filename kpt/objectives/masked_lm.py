"""The masked language model objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from kpt.errors import InputError
from kpt.layers import MaskedLMHead
from kpt.objectives.masking import mask_tokens
from kpt.objectives.objective import Objective, token_cross_entropy
from kpt.text import Vocabulary

__all__ = ["MaskedLM"]


@keras.saving.register_keras_serializable("kpt")
class MaskedLM(Objective):
    r"""Predict tokens that were hidden, from both sides.

    .. math:: L = -\frac{1}{|M|} \sum_{t \in M} \log p(w_t \mid \tilde w)

    where :math:`M` are `rate` of the tokens, of which :math:`\tilde w` shows 80 % as [MASK], 10 % as a random token and
    10 % unchanged. Logits are computed at :math:`M` alone.

    Args:
        rate: Share of the tokens that are predicted.
        predictions: Number of prediction slots of a sequence; by default `rate` of its length, rounded up, and 4
            more for whole words.
        whole_words: Whether all pieces of a word are hidden together.
        weight: Factor on the loss in the sum that is trained.
        name: Name under which loss and metrics are logged.

    Source: Devlin et al. 2018, "BERT", section 3.1, task 1.
    """

    required: ClassVar[tuple[str, ...]] = ("mask_positions", "mask_labels", "mask_weights")
    default_name: ClassVar[str] = "masked_lm"

    def __init__(
        self,
        rate: float = 0.15,
        predictions: int | None = None,
        whole_words: bool = False,
        weight: float = 1.0,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(weight=weight, name=name, **kwargs)
        if not 0 < rate < 1:
            raise InputError(f"The masking rate must lie between 0 and 1, not at {rate}; BERT's is 0.15.")
        if predictions is not None and predictions < 1:
            raise InputError(f"predictions is {predictions}; give 1 slot or more, or None for enough of them.")
        self.rate, self.predictions, self.whole_words = rate, predictions, whole_words

    def corrupt(
        self, batch: dict[str, np.ndarray], vocabulary: Vocabulary, generator: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Hide tokens; see `Objective.corrupt` and `kpt.objectives.masking.mask_tokens`."""
        token_ids, positions, labels, weights = mask_tokens(
            batch["token_ids"],
            batch["padding_mask"],
            vocabulary,
            generator,
            rate=self.rate,
            predictions=self.predictions,
            whole_words=self.whole_words,
        )
        return {
            **batch,
            "token_ids": token_ids,
            "mask_positions": positions,
            "mask_labels": labels,
            "mask_weights": weights,
        }

    def build_head(self, backbone: Any) -> None:
        """Create the head for a backbone, with its activation and normalization, as BERT's has them.

        Args:
            backbone: A model with `vocabulary_size`, `width` and `token_embedding`.
        """
        like: dict[str, Any] = {"activation": "gelu", "normalization": "layer_norm", "epsilon": 1e-12}
        self.head = MaskedLMHead(
            backbone.vocabulary_size,
            **{name: getattr(backbone, name, default) for name, default in like.items()},
            hidden_width=getattr(backbone, "embedding_width", None),
            dtype=self.dtype_policy,
            name=f"{self.name}_head",
        )
        self.head.build((None, None, backbone.width))
        self.built = True

    def call(
        self, outputs: Mapping[str, Any], inputs: Mapping[str, Any], project: Callable[[Any], Any] | None = None
    ) -> Any:
        """Return logits `[batch, slots, vocabulary]`."""
        return self.head(outputs["sequence"], inputs["mask_positions"], project=project)

    def compute_output_spec(self, outputs: Any, inputs: Any, project: Any = None, **_: Any) -> Any:
        shape = (*inputs["mask_positions"].shape, self.head.vocabulary_size)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def losses_and_hits(self, inputs: Mapping[str, Any], predictions: Any) -> tuple[Any, Any, Any]:
        """Return losses, hits and weights, `[batch, slots]` each."""
        labels = inputs["mask_labels"]
        hits = ops.equal(ops.cast(ops.argmax(predictions, axis=-1), "int32"), ops.cast(labels, "int32"))
        return token_cross_entropy(predictions, labels), ops.cast(hits, "float32"), inputs["mask_weights"]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "rate": self.rate,
            "predictions": self.predictions,
            "whole_words": self.whole_words,
        }
