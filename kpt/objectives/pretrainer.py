"""The model that `fit` trains: a backbone and its objectives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from kpt.distribution import StrategyModel, replica_count
from kpt.errors import InputError
from kpt.objectives.objective import Objective
from kpt.recording import RecordedSteps

__all__ = ["Pretrainer"]


@keras.saving.register_keras_serializable("kpt")
class Pretrainer(RecordedSteps, StrategyModel, keras.Model):
    r"""A backbone under one or more objectives, trained on the sum of their losses.

    .. math:: L = \sum_o \lambda_o L_o

    It is an ordinary Keras model: `compile(optimizer=...)`, `fit(kpt.data.Batches(...))`, `evaluate`, `predict`,
    callbacks and one's own optimizer all work. Each objective's loss and accuracy are logged under its name
    (`masked_lm_loss`, `masked_lm_accuracy`, ...), `loss` is the sum. All weights exist from the constructor on.

    Args:
        backbone: A model such as `kpt.Encoder`: it takes a dict of inputs, gives a dict of outputs and has
            `vocabulary_size`, `width` and `token_embedding`.
        objectives: The objectives; their `weight` is :math:`\lambda_o`.

    Call arguments:
        inputs: A batch, see `kpt.data.Batches`. Only what the heads read need be there (no labels, to predict).

    Returns:
        A dict from each objective's name to its logits.

    Raises:
        InputError: If two objectives have one name, or the backbone lacks what a head needs.

    Example:
        >>> from kpt.models import Encoder
        >>> from kpt.objectives import MaskedLM, NextSentence
        >>> encoder = Encoder(vocabulary_size=100, width=32, depth=2, heads=4)
        >>> pretrainer = Pretrainer(encoder, [MaskedLM(), NextSentence()])
        >>> pretrainer.compile(optimizer="adamw")
    """

    def __init__(self, backbone: keras.Model, objectives: Sequence[Objective], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.backbone = backbone
        self.objectives = list(objectives)
        names = [objective.name for objective in self.objectives]
        if len(set(names)) != len(names) or not names:
            raise InputError(f"Objectives need distinct names, at least one; these are {names}.")
        for objective in self.objectives:
            objective.build_head(backbone)
        self.built = True

    def call(self, inputs: dict[str, Any], training: bool | None = None) -> dict[str, Any]:
        outputs = self.backbone(
            {name: inputs[name] for name in self.backbone.input if name in inputs}, training=training
        )

        def project(hidden: Any) -> Any:
            return self.backbone.token_embedding(hidden, reverse=True)

        return {objective.name: objective(outputs, inputs, project=project) for objective in self.objectives}

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the sum of the objectives' losses, or this replica's share of it; the labels stand in `x`."""
        losses = [objective.weight * objective.loss(x, y_pred[objective.name]) for objective in self.objectives]
        return sum([*losses[1:], *(loss / replica_count() for loss in self.losses)], losses[0])

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Return what `compute_loss` counted."""
        return self.get_metrics_result()

    @property
    def step_constants(self) -> tuple[float, ...]:
        """The weights of the objectives."""
        return tuple(objective.weight for objective in self.objectives)

    def get_config(self) -> dict[str, Any]:
        return {
            "backbone": keras.saving.serialize_keras_object(self.backbone),
            "objectives": [keras.saving.serialize_keras_object(objective) for objective in self.objectives],
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Pretrainer:
        config = dict(config)
        backbone = keras.saving.deserialize_keras_object(config.pop("backbone"), custom_objects)
        objectives = [keras.saving.deserialize_keras_object(each, custom_objects) for each in config.pop("objectives")]
        return cls(backbone, objectives, **config)
