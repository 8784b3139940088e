"""Which weights of a model a fine-tuning changes, from which epoch on, and how fast."""

from __future__ import annotations

from typing import Any

import keras

from kpt.errors import InputError
from kpt.layers import TransformerBlock, add_lora
from kpt.tasks import TaskModel
from kpt.training.finetune_settings import FinetuneSettings
from kpt.training.layer_rates import layerwise
from kpt.training.optimizers import SelectiveAdamW

__all__ = ["choose_trained", "task_optimizer", "trained_parameters", "weight_levels"]

#: Layers of a backbone that stand above its blocks.
ABOVE = ("final_norm", "pooler")


def choose_trained(model: TaskModel, settings: FinetuneSettings) -> None:
    """Freeze what the settings say, and add adapters.

    Args:
        model: the model, not compiled.
        settings: `freeze`, `lora_rank` and `lora_alpha` of them.

    Raises:
        InputError: the model has not as many blocks as are to be frozen, or none for adapters.
    """
    layers, blocks = _levels(model.backbone)
    if settings.lora_rank is not None:
        add_lora(model.backbone, settings.lora_rank, settings.lora_alpha)
    elif isinstance(settings.freeze, str):  # the whole backbone
        for layer in model.backbone.layers:
            layer.trainable = False
    elif settings.freeze:
        if settings.freeze > blocks:
            raise InputError(f"freeze is {settings.freeze}; the model has {blocks} blocks, give fewer, or backbone")
        for layer, level in layers.items():
            if level <= settings.freeze:
                layer.trainable = False


def weight_levels(model: TaskModel) -> list[int]:
    """Return how high each trained weight stands, in the order of `trainable_variables`.

    Returns:
        0 for the embeddings, 1 for the lowest block and so on; one more than the highest block for what is above: the
        last normalization, the pooler and the head.
    """
    layers, blocks = _levels(model.backbone)
    levels = {id(weight): level for layer, level in layers.items() for weight in layer.weights}
    return [levels.get(id(weight), blocks + 1) for weight in model.trainable_variables]


def task_optimizer(model: TaskModel, settings: FinetuneSettings, steps_per_epoch: int) -> SelectiveAdamW:
    r"""Return the optimizer of a fine-tuning, with a rate for each level of the model.

    .. math:: \eta_l = \eta \, d^{\,L - l}

    with d the `layer_decay` of the settings, l the level (`weight_levels`) and L the highest one. With
    `gradual_unfreezing` a level is first trained in epoch L - l + 1.

    Args:
        model: the model, after `choose_trained`.
        settings: of the run.
        steps_per_epoch: its steps in an epoch.

    Source: Clark et al. 2020, "ELECTRA", appendix A (layer-wise decay); Howard and Ruder 2018, section 3.3.
    """
    levels = weight_levels(model)
    top = max(levels)
    optimizer = settings.optimizer(steps_per_epoch * settings.epochs, model.backbone.width)
    starts = [(top - level) * steps_per_epoch if settings.gradual_unfreezing else 0 for level in levels]
    return layerwise(optimizer, [settings.layer_decay ** (top - level) for level in levels], starts)


def trained_parameters(model: keras.Model) -> int:
    """Return how many numbers a training changes."""
    return sum(int(keras.ops.size(weight)) for weight in model.trainable_variables)


def _levels(backbone: Any) -> tuple[dict[Any, int], int]:
    """Return the level of each layer of a backbone, and the number of its blocks."""
    layers = [layer for layer in backbone.layers if layer.weights]
    blocks = [layer for layer in layers if isinstance(layer, TransformerBlock)]
    levels = {layer: 0 for layer in layers} | {block: number for number, block in enumerate(blocks, start=1)}
    return levels | {layer: len(blocks) + 1 for layer in layers if layer.name in ABOVE}, len(blocks)
