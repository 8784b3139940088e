"""Keras layers of Transformers, written on `keras.ops` alone."""

from kpt.layers.activations import activation_function, activation_name, gelu_tanh, squared_relu
from kpt.layers.attention import SelfAttention, scaled_dot_product_attention, watched_attention
from kpt.layers.cache import empty_cache, visible_slots, write_cache, written_by_selection
from kpt.layers.dense import Dense
from kpt.layers.dropout import Dropout
from kpt.layers.feed_forward import FeedForward
from kpt.layers.heads import MaskedLMHead, Pooler, gather_positions
from kpt.layers.initializers import truncated_normal, zeros_instead
from kpt.layers.lora import add_lora, merge_lora
from kpt.layers.normalization import normalization_layer
from kpt.layers.pooling import POOLINGS, check_pooling, once_each, pool_sequence
from kpt.layers.positions import (
    LearnedPositions,
    RotaryPositions,
    SinusoidalPositions,
    rotary_frequencies,
    rotate,
    sinusoids,
)
from kpt.layers.segment_attention import segment_mask
from kpt.layers.segments import SegmentEmbedding
from kpt.layers.token_counts import count_tokens
from kpt.layers.token_embedding import TokenEmbedding, rows_looked_up_by
from kpt.layers.transformer_block import TransformerBlock

__all__ = [
    "POOLINGS",
    "Dense",
    "Dropout",
    "FeedForward",
    "LearnedPositions",
    "MaskedLMHead",
    "Pooler",
    "RotaryPositions",
    "SegmentEmbedding",
    "SelfAttention",
    "SinusoidalPositions",
    "TokenEmbedding",
    "TransformerBlock",
    "activation_function",
    "activation_name",
    "add_lora",
    "check_pooling",
    "count_tokens",
    "empty_cache",
    "gather_positions",
    "gelu_tanh",
    "merge_lora",
    "normalization_layer",
    "once_each",
    "pool_sequence",
    "rotary_frequencies",
    "rotate",
    "rows_looked_up_by",
    "scaled_dot_product_attention",
    "segment_mask",
    "sinusoids",
    "squared_relu",
    "truncated_normal",
    "visible_slots",
    "watched_attention",
    "write_cache",
    "written_by_selection",
    "zeros_instead",
]
