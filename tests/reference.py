"""BERT's and GPT-2's parts in float64 numpy, from the papers: what the layers are compared with."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

Weights = Mapping[str, np.ndarray]


def softmax(scores: np.ndarray) -> np.ndarray:
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def gelu(x: np.ndarray) -> np.ndarray:
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def gelu_tanh(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def silu(x: np.ndarray) -> np.ndarray:
    return x / (1 + np.exp(-x))


def layer_norm(x: np.ndarray, gamma: Any = 1.0, beta: Any = 0.0, epsilon: float = 1e-12) -> np.ndarray:
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + epsilon) * gamma + beta


def rms_norm(x: np.ndarray, scale: Any = 1.0, epsilon: float = 1e-12) -> np.ndarray:
    return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + epsilon) * scale


def attention(
    query: np.ndarray, key: np.ndarray, value: np.ndarray, mask: Any = None, keep: Any = None, rate: float = 0.0
) -> np.ndarray:
    """softmax(Q K' / sqrt(d)) V with [batch, length, heads, depth]; `keep` is a mask of dropout."""
    probabilities = probabilities_of(query, key, mask)
    if keep is not None:
        probabilities = probabilities * keep / (1 - rate)
    return (probabilities @ value.astype("float64").transpose(0, 2, 1, 3)).transpose(0, 2, 1, 3)


def probabilities_of(query: np.ndarray, key: np.ndarray, mask: Any = None) -> np.ndarray:
    """softmax(Q K' / sqrt(d)), [batch, heads, query length, key length]."""
    query, key = (x.astype("float64").transpose(0, 2, 1, 3) for x in (query, key))
    scores = query @ key.transpose(0, 1, 3, 2) / math.sqrt(query.shape[-1])
    return softmax(scores if mask is None else np.where(mask, scores, -1e30))


def rotated(x: np.ndarray, base: float = 10_000.0, positions: Any = None) -> np.ndarray:
    """RoFormer's rotation of [batch, length, heads, depth], one pair (i, i + depth / 2) after the other."""
    out = np.array(x, "float64")
    half = x.shape[-1] // 2
    for position in range(x.shape[1]):
        for i in range(half):
            angle = (position if positions is None else positions[position]) * base ** (-2 * i / x.shape[-1])
            first, second = x[:, position, :, i], x[:, position, :, i + half]
            out[:, position, :, i] = first * math.cos(angle) - second * math.sin(angle)
            out[:, position, :, i + half] = second * math.cos(angle) + first * math.sin(angle)
    return out


def self_attention(
    x: np.ndarray,
    weights: Weights,
    heads: int,
    mask: Any = None,
    rotary: bool = False,
    shared: int | None = None,
) -> np.ndarray:
    """Multi-head attention, head by head; mask [batch, query or 1, key]; `shared` heads of keys and values."""
    mask = None if mask is None else mask[:, None]
    parts = [attention(*parts, mask)[:, :, 0] for parts in parts_of_heads(x, weights, heads, rotary, shared)]
    return np.concatenate(parts, axis=-1) @ weights["output/kernel"] + weights.get("output/bias", 0.0)


def attention_weights(
    x: np.ndarray, weights: Weights, heads: int, mask: Any, rotary: bool = False, shared: int | None = None
) -> np.ndarray:
    """What `self_attention` weighs values by: [batch, heads, query, key]."""
    parts = parts_of_heads(x, weights, heads, rotary, shared)
    return np.concatenate([probabilities_of(query, key, mask[:, None]) for query, key, _ in parts], axis=1)


def parts_of_heads(
    x: np.ndarray, weights: Weights, heads: int, rotary: bool, shared: int | None
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Query, key and value of one head after the other, [batch, length, 1, depth] each."""
    depth = x.shape[-1] // heads
    shared = heads if shared is None else shared
    qkv = x @ weights["qkv/kernel"] + weights.get("qkv/bias", 0.0)
    queries, keys, values = np.split(qkv, [heads * depth, (heads + shared) * depth], axis=-1)
    for head in range(heads):
        group = head // (heads // shared)
        query = queries[:, :, None, head * depth : (head + 1) * depth]
        key, value = (part[:, :, None, group * depth : (group + 1) * depth] for part in (keys, values))
        yield (rotated(query), rotated(key), value) if rotary else (query, key, value)


def feed_forward(x: np.ndarray, weights: Weights, activation: Any = gelu, gated: bool = False) -> np.ndarray:
    hidden = x @ weights["hidden/kernel"] + weights.get("hidden/bias", 0.0)
    if gated:
        gate, hidden = np.split(hidden, 2, axis=-1)
        hidden = activation(gate) * hidden
    else:
        hidden = activation(hidden)
    return hidden @ weights["output/kernel"] + weights.get("output/bias", 0.0)


def below(weights: Weights, prefix: str) -> dict[str, np.ndarray]:
    """The weights of one part, without its name."""
    return {path.removeprefix(f"{prefix}/"): value for path, value in weights.items() if path.startswith(f"{prefix}/")}


def encoder_block(
    x: np.ndarray,
    weights: Weights,
    heads: int,
    mask: Any = None,
    norm_first: bool = False,
    norm: Any = layer_norm,
    rotary: bool = False,
    activation: Any = gelu,
    gated: bool = False,
    epsilon: float = 1e-12,
    shared: int | None = None,
) -> np.ndarray:
    def attend(x: np.ndarray) -> np.ndarray:
        return self_attention(x, below(weights, "attention"), heads, mask, rotary, shared)

    def transform(x: np.ndarray) -> np.ndarray:
        return feed_forward(x, below(weights, "feed_forward"), activation, gated)

    def normalize(x: np.ndarray, name: str) -> np.ndarray:
        return norm(x, **below(weights, name), epsilon=epsilon)

    if norm_first:
        x = x + attend(normalize(x, "attention_norm"))
        return x + transform(normalize(x, "feed_forward_norm"))
    x = normalize(x + attend(x), "attention_norm")
    return normalize(x + transform(x), "feed_forward_norm")


def encoder(
    token_ids: np.ndarray,
    segment_ids: np.ndarray | None,
    mask: np.ndarray,
    weights: Weights,
    depth: int,
    heads: int,
    norm_first: bool = False,
    rotary: bool = False,
    scale_embedding: bool = False,
    **block: Any,
) -> tuple[np.ndarray, np.ndarray]:
    """BERT: its sequence [batch, length, width] and its pooled vectors [batch, width]."""
    norm = block.get("norm", layer_norm)
    epsilon = block.get("epsilon", 1e-12)
    x = weights["token_embedding/embeddings"][token_ids]
    if scale_embedding:
        x = x * math.sqrt(x.shape[-1])
    if segment_ids is not None:
        x = x + weights["segment_embedding/embeddings"][segment_ids]
    if not rotary:
        x = x + weights["positions/embeddings"][: token_ids.shape[1]]
    if not norm_first:
        x = norm(x, **below(weights, "embedding_norm"), epsilon=epsilon)
    for index in range(depth):
        x = encoder_block(x, below(weights, f"block_{index}"), heads, mask[:, None], norm_first, rotary=rotary, **block)
    if norm_first:
        x = norm(x, **below(weights, "final_norm"), epsilon=epsilon)
    return x, np.tanh(x[:, 0] @ weights["pooler/dense/kernel"] + weights["pooler/dense/bias"])


def decoder(
    token_ids: np.ndarray,
    weights: Weights,
    depth: int,
    heads: int,
    mask: Any = True,
    rotary: bool = False,
    scale_embedding: bool = False,
    **block: Any,
) -> np.ndarray:
    """GPT-2 and its descendants: logits [batch, length, vocabulary]; mask [batch, query, key] beside the causal one."""
    x = weights["token_embedding/embeddings"][token_ids]
    length = token_ids.shape[1]
    if scale_embedding:
        x = x * math.sqrt(x.shape[-1])
    if not rotary:
        x = x + weights["positions/embeddings"][:length]
    visible = np.tril(np.ones((1, length, length), bool)) & mask
    for index in range(depth):
        x = encoder_block(x, below(weights, f"block_{index}"), heads, visible, True, rotary=rotary, **block)
    x = block.get("norm", layer_norm)(x, **below(weights, "final_norm"), epsilon=block["epsilon"])
    way_back = weights.get("token_embedding/reverse_embeddings")
    return x @ (weights["token_embedding/embeddings"].T if way_back is None else way_back)


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Minus the logarithm of the softmax at the labels."""
    logits = logits.astype("float64")
    return -np.log(np.take_along_axis(softmax(logits), labels[..., None], axis=-1)[..., 0])
