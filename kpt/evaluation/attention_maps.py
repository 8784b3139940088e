"""Where each token of a text looks: the attention weights of a model's own forward pass."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from keras import ops

from kpt.data.text_sequences import encode_texts
from kpt.errors import InputError
from kpt.layers import watched_attention
from kpt.tasks.windows import read_backbone
from kpt.text.tokenizer import Tokenizer

__all__ = ["AttentionMaps", "attention_maps"]

#: Tokens of a text whose weights are kept, by default.
SHOWN = 64


class AttentionMaps(NamedTuple):
    """How much each token attends to each.

    Attributes:
        pieces: the first tokens as text, those of the sequence's marks too.
        weights: float32 [layers, heads, tokens, tokens]: in row i what token i takes from each token j. A row sums to 1
            over all tokens that the model has read, which may be more than are kept.
        read: tokens that the model has read, marks included.
        cut: tokens of the text past the model's length, which it has not read.
    """

    pieces: list[str]
    weights: np.ndarray
    read: int
    cut: int

    def map(self, layer: int | None = None, head: int | None = None) -> np.ndarray:
        """Return one map, [tokens, tokens].

        Args:
            layer: its number, from 1; by default the last.
            head: its number, from 1; by default the mean over the heads.

        Raises:
            InputError: there is no such layer or head.
        """
        layers, heads = self.weights.shape[:2]
        for name, value, most in (("layer", layer, layers), ("head", head, heads)):
            if value is not None and not 1 <= value <= most:
                raise InputError(f"there is no {name} {value}; the model has {name}s 1 to {most}")
        of_layer = self.weights[(layers if layer is None else layer) - 1]
        return np.asarray(of_layer.mean(axis=0) if head is None else of_layer[head - 1])

    def note(self) -> str:
        """Say what of the text is not shown; nothing where all is."""
        parts = []
        if len(self.pieces) < self.read:
            parts.append(
                f"The first {len(self.pieces):,} of {self.read:,} tokens are shown; what a row has beyond them is left "
                "out of it."
            )
        if self.cut:
            parts.append(f"The model reads {self.read:,} tokens, and not the {self.cut:,} after them.")
        return " ".join(parts)


def attention_maps(
    model: Any, text: str, pair: str | None = None, *, tokenizer: Tokenizer | None = None, tokens: int = SHOWN
) -> AttentionMaps:
    r"""Return the attention weights of a text in every layer and head.

    .. math:: w_{ij} = \mathrm{softmax}_j(q_i \cdot k_j / \sqrt{d_k})

    They come from the model's own forward pass in inference. In a decoder a token sees none of those after it, whose
    weights are 0. Weights say what a layer reads, not what an output is made of: that is `token_attributions`.

    Args:
        model: a task model, a `Pretrainer`, an `Encoder` or a `Decoder`.
        text: what is over the model's length (its `length`, or its backbone's positions) is cut.
        pair: the second text.
        tokenizer: the model's; by default the one that it has, as a tuned model does.
        tokens: the first so many are kept. The model reads all.

    Raises:
        InputError: the model has no attention or no tokenizer, the text has no token, or `tokens` is below 1.

    Example:
        >>> from kpt import Encoder, WordPieceTokenizer
        >>> tokenizer = WordPieceTokenizer.train(["good film", "bad film"] * 2, 27)
        >>> encoder = Encoder(tokenizer.vocabulary.size, width=8, depth=2, heads=4)
        >>> found = attention_maps(encoder, "film", tokenizer=tokenizer)
        >>> found.pieces, found.weights.shape
        (['[CLS]', 'film', '[SEP]'], (2, 4, 3, 3))

    Source: Vaswani et al. 2017, "Attention Is All You Need", equation 1 and its figures 3 to 5; Jain and Wallace 2019,
    "Attention is not Explanation".
    """
    if tokens < 1:
        raise InputError(f"tokens is {tokens}; give 1 or more")
    tokenizer = getattr(model, "tokenizer", None) if tokenizer is None else tokenizer
    if tokenizer is None:
        raise InputError("the model has no tokenizer to read texts by; give its tokenizer")
    backbone = getattr(model, "backbone", model)
    length = getattr(model, "length", None) or getattr(backbone, "maximum_length", None)
    if length is None:
        raise InputError(f"a {type(model).__name__} has no attention to look at; give an encoder or a decoder")
    encoded = encode_texts(tokenizer, [text], None if pair is None else [pair], length=length)
    if not encoded.sizes.sum():
        raise InputError(f"the text {text[:40]!r} has no token; give one with something in it")
    read = int(encoded.totals[0])
    inputs = encoded.batch(np.arange(1), read)
    told: list[np.ndarray] = []

    def keep(weights: Any) -> None:
        shown = ops.cast(weights[0, :, :tokens, :tokens], "float32")
        told.append(np.asarray(ops.convert_to_numpy(shown)))

    with watched_attention(backbone, keep):
        read_backbone(backbone, inputs, length, 1, training=False)
    whole = sum(len(tokenizer.encode([each]).values) for each in (text, pair) if each is not None)
    ids, vocabulary = inputs["token_ids"][0, :tokens].tolist(), tokenizer.vocabulary
    pieces = [tokenizer.decode([piece]) or vocabulary.tokens[piece] for piece in ids]
    return AttentionMaps(pieces, np.stack(told), read, int(whole - encoded.sizes.sum()))
