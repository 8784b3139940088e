"""Keras layers of Transformers, written on `keras.ops` alone."""

from kpt.layers.attention import SelfAttention, scaled_dot_product_attention
from kpt.layers.dropout import Dropout
from kpt.layers.encoder_block import EncoderBlock
from kpt.layers.feed_forward import FeedForward
from kpt.layers.heads import MaskedLMHead, Pooler, gather_positions
from kpt.layers.initializers import truncated_normal
from kpt.layers.normalization import normalization_layer
from kpt.layers.positions import LearnedPositions, RotaryPositions, SinusoidalPositions, rotate, sinusoids
from kpt.layers.segments import SegmentEmbedding

__all__ = [
    "Dropout",
    "EncoderBlock",
    "FeedForward",
    "LearnedPositions",
    "MaskedLMHead",
    "Pooler",
    "RotaryPositions",
    "SegmentEmbedding",
    "SelfAttention",
    "SinusoidalPositions",
    "gather_positions",
    "normalization_layer",
    "rotate",
    "scaled_dot_product_attention",
    "sinusoids",
    "truncated_normal",
]
