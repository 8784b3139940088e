"""Low-rank adapters (LoRA) on the dense layers of Transformer blocks, and how they become part of these again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

from kpt.errors import InputError
from kpt.layers.transformer_block import TransformerBlock

__all__ = ["add_lora", "merge_lora"]


def add_lora(model: keras.Model, rank: int, alpha: float | None = None) -> int:
    r"""Freeze a model, and put Keras's adapters on the dense layers of the attention and of the feed-forward networks.

    .. math:: W' = W + \tfrac{\alpha}{r} A B, \qquad A \in \mathbb{R}^{m \times r},\; B \in \mathbb{R}^{r \times n}

    B begins as zeros, so that the model begins as it was. Adapters are in float32. What Keras saves of such a model,
    and so a checkpoint, has them merged.

    Args:
        model: a backbone, such as `kpt.Encoder`; its own weights, biases too, are frozen.
        rank: r, at least 1.
        alpha: :math:`\alpha`; by default the rank, so that the factor is 1.

    Returns:
        How many layers got one.

    Raises:
        InputError: the rank or alpha is not positive, the model has no Transformer block, or has adapters already.

    Example:
        >>> from kpt import Encoder
        >>> encoder = Encoder(40, width=8, depth=1, heads=2)
        >>> add_lora(encoder, rank=2), sum(weight.shape[0] * weight.shape[1] for weight in encoder.trainable_weights)
        (4, 256)

    Source: Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models".
    """
    if rank < 1 or (alpha is not None and not alpha > 0):
        raise InputError(f"the rank is {rank} and alpha {alpha}; give a rank of 1 or more and an alpha above 0")
    adapted = list(_dense_layers(model))
    if not adapted:
        raise InputError("the model has no Transformer block to put adapters on; tune it without LoRA")
    if any(layer.lora_enabled for layer in adapted):
        raise InputError("the model has adapters already; merge them first (merge_lora)")
    for layer in model.layers:
        layer.trainable = False
    for layer in adapted:
        layer.trainable = True  # else the adapters would be frozen too
        layer.enable_lora(rank, lora_alpha=rank if alpha is None else alpha)
        if layer.bias is not None:
            layer.bias.trainable = False
    return len(adapted)


def merge_lora(model: keras.Model) -> int:
    """Add the adapters to the weights that they stand on, and remove them; what the model computes stays the same.

    Weights that were frozen stay so. A model that is trained further has to be compiled anew.

    Args:
        model: a backbone, or a model that has one as `backbone`.

    Returns:
        How many layers had one.

    Example:
        >>> from kpt import Encoder
        >>> encoder = Encoder(40, width=8, depth=1, heads=2)
        >>> _ = add_lora(encoder, rank=2)
        >>> merge_lora(encoder), merge_lora(encoder)
        (4, 0)
    """
    merged = [layer for layer in _dense_layers(getattr(model, "backbone", model)) if layer.lora_enabled]
    for layer in merged:
        # Not `layer.kernel`, which is rounded to the precision that is computed in.
        change = (layer.lora_alpha / layer.lora_rank) * ops.matmul(layer.lora_kernel_a, layer.lora_kernel_b)
        layer.lora_enabled = False
        layer.kernel.assign(ops.add(layer.kernel, ops.cast(change, layer.kernel.dtype)))
        del layer.lora_kernel_a, layer.lora_kernel_b
        layer.lora_rank = layer.lora_alpha = None
    return len(merged)


def _dense_layers(model: Any) -> Iterator[keras.layers.Dense]:
    """Yield the dense layers of a backbone's blocks."""
    for block in getattr(model, "layers", ()):
        if isinstance(block, TransformerBlock):
            attention, feed_forward = block.attention, block.feed_forward
            yield from (attention.qkv, attention.output_projection, feed_forward.hidden, feed_forward.output_projection)
