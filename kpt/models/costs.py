"""What a training step of a backbone costs: its operations, and what it keeps for the gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["activation_bytes", "training_flops"]


class Kept(NamedTuple):
    """How many tensors of each kind are in memory at the fullest moment of a training step.

    Of the block, tensors `[batch, length, width]`, its feed-forward network of four widths included, and those
    `[batch, heads, length, length]`; then what GELU keeps in place of a squared ReLU, and what dropout adds to both;
    of the head, those `[predictions, vocabulary]`; and of what is around, again `[batch, length, width]`.
    """

    block: float
    probabilities: float
    gelu: float
    dropout: float
    dropped_probabilities: float
    logits: float
    around: float


#: Fitted to what 26 steps of float32 on each backend need on a CPU, of other sizes, lengths and vocabularies than those
#: of `benchmarks/memory.py`: as XLA compiles them, and on PyTorch by what is saved for the gradient; there the
#: logits are those of the rise of the memory that the benchmark itself measures.
KEPT = {
    "tensorflow": Kept(16.0, 0.9, 8.8, 1.0, 1.9, 2.0, 4.3),
    "jax": Kept(16.3, 3.75, 9.8, 1.6, 0.9, 2.9, 11.5),
    "torch": Kept(19.0, 0.0, -2.1, 1.3, 3.0, 3.7, 3.2),
}


def activation_bytes(
    model: Mapping[str, Any],
    *,
    batch: int,
    length: int,
    predictions: int,
    vocabulary: int,
    backend: str,
    bytes: int = 4,
) -> int:
    r"""Return about how much memory a training step needs beside weights, optimizer and gradients.

    .. math:: 4 (a\, L\, B S d + b\, L\, B h S^2 + c\, P V + e\, B S d)

    in bytes, for :math:`L` blocks of width :math:`d` with :math:`h` heads, :math:`B` sequences of length :math:`S`, and
    :math:`P` predictions from a vocabulary of :math:`V`; the numbers :math:`a, b, c, e` of tensors are the backend's.
    With rematerialisation of each block its input alone is kept, and at a time the whole of one.

    Args:
        model: `arguments` of an `Encoder` or `Decoder`.
        batch: sequences of a step on a device.
        length: tokens of a sequence.
        predictions: tokens that are predicted in a sequence.
        vocabulary: entries of the vocabulary.
        backend: of Keras.
        bytes: of a number that is computed with; logits have 4 in any case.

    Example:
        >>> tiny = {"depth": 2, "width": 128, "heads": 2, "activation": "gelu", "dropout": 0.0}
        >>> step = {"batch": 16, "length": 128, "predictions": 20, "vocabulary": 2000, "backend": "torch"}
        >>> [round(activation_bytes({**tiny, "remat": remat}, **step) / 2**20) for remat in (False, True)]
        [46, 31]

    Source: Korthikanti et al. 2022, "Reducing Activation Recomputation in Large Transformer Models".
    """
    kept, depth = KEPT[backend], model["depth"]
    smooth = model.get("activation", "gelu") not in ("relu", "squared_relu")
    drops = max(model.get("dropout") or 0.0, model.get("attention_dropout") or 0.0) > 0
    stream = batch * length * model["width"] * bytes
    probabilities = batch * model["heads"] * length**2 * bytes
    wider = (model.get("feed_forward_width") or 4 * model["width"]) / (4 * model["width"])
    hidden = wider * (2 if model.get("gated") else 1) - 1  # the share of the four widths that is added
    block = (kept.block + kept.gelu * smooth + kept.dropout * drops + 8 * hidden) * stream
    block += (kept.probabilities + kept.dropped_probabilities * drops) * probabilities
    blocks = block + depth * stream if model.get("remat") else depth * block
    head = kept.logits * 4 * batch * predictions * vocabulary
    return round(blocks + head + kept.around * stream)


def training_flops(
    model: Mapping[str, Any], *, batch: int, length: int, predictions: int, vocabulary: int, remat: bool | None = None
) -> int:
    r"""Return the operations of a training step's matrix products, forward and backward.

    A product of a row with a matrix of :math:`n` weights takes :math:`2 n` operations, and its gradient twice that;
    attention further has :math:`4 S d` a token and block, forward. Lookups do not count, nor what is done entry by
    entry.

    Args:
        model: `arguments` of an `Encoder` or `Decoder`.
        batch: sequences of a step.
        length: tokens of a sequence.
        predictions: tokens that are predicted in a sequence.
        vocabulary: entries of the vocabulary.
        remat: whether to count the second forward pass of the blocks; by default where the model has it. That of a
            model's speed (model FLOPs, Chowdhery et al. 2022) leaves it out.

    Example:
        >>> tiny = {"depth": 2, "width": 128, "heads": 2}
        >>> training_flops(tiny, batch=16, length=128, predictions=20, vocabulary=2000)
        6128664576

    Source: Kaplan et al. 2020, "Scaling Laws for Neural Language Models", table 1.
    """
    width, heads = model["width"], model["heads"]
    shared = model.get("key_value_heads") or heads
    hidden = model.get("feed_forward_width") or 4 * width
    attention = width * (width + 2 * shared * width // heads) + width**2
    feed_forward = width * hidden * (3 if model.get("gated") else 2)
    tokens = batch * length
    blocks = model["depth"] * tokens * (2 * (attention + feed_forward) + 4 * length * width)
    head = 2 * batch * predictions * vocabulary * width
    if "pooler" in model or "norm_first" in model:  # an encoder's heads: a transformed vector for each prediction
        head += 2 * batch * (predictions + bool(model.get("pooler", True))) * width**2
    again = model.get("remat", False) if remat is None else remat
    return 3 * (blocks + head) + (blocks if again else 0)
