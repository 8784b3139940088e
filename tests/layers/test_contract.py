from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from kpt.layers import (
    Dense,
    Dropout,
    FeedForward,
    LearnedPositions,
    MaskedLMHead,
    Pooler,
    RotaryPositions,
    SegmentEmbedding,
    SelfAttention,
    SinusoidalPositions,
    TokenEmbedding,
    TransformerBlock,
)
from tests.contract import CHECKS, Case, classes_of
from tests.numbers import normal

X = {"x": normal(3, 5, 8)}
MASK = {"mask": np.arange(5) < np.array([[5], [3], [1]])}
ROTATIONS = {"rotations": np.concatenate([np.cos(normal(3, 5, 2, seed=1)), np.sin(normal(3, 5, 2, seed=1))], axis=-1)}

SCALING = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16}


@keras.saving.register_keras_serializable("tests")
class TiedHead(keras.Model):
    """A head with the embedding that it shares."""

    def __init__(self, head: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.head = head
        self.embedding = keras.layers.ReversibleEmbedding(
            11, 8, dtype=head.dtype_policy, reverse_dtype=head.compute_dtype
        )
        self.embedding.build((None, None))
        if not self.head.built:
            self.head.build((None, None, 8))
        self.built = True

    def call(self, inputs: Any) -> Any:
        project = lambda hidden: self.embedding(hidden, reverse=True)  # noqa: E731
        return self.head(inputs["x"], inputs["positions"], project=project)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "head": keras.saving.serialize_keras_object(self.head)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> TiedHead:
        return cls(keras.saving.deserialize_keras_object(config["head"]), name=config["name"])


def on_x(layer: Any, tensors: Any) -> Any:
    return layer(tensors["x"])


def block(layer: Any, tensors: Any) -> Any:
    return layer(tensors["x"], padding_mask=tensors["mask"], rotations=tensors["rotations"])


CASES = {
    "Dense": Case(lambda **k: Dense(6, activation="relu", **k), X, on_x),
    "Dropout": Case(lambda **k: Dropout(0.3, seed=1, **k), X, on_x),
    "TransformerBlock": Case(lambda **k: TransformerBlock(2, 16, dropout=0.1, **k), X, on_x),
    "TransformerBlock gated": Case(
        lambda **k: TransformerBlock(
            2,
            16,
            norm_first=True,
            normalization="rms_norm",
            activation="silu",
            gated=True,
            use_bias=False,
            attention_dropout=0.2,
            output_scale=0.5,
            epsilon=1e-6,
            **k,
        ),
        X | MASK | ROTATIONS,
        block,
    ),
    "FeedForward": Case(lambda **k: FeedForward(16, **k), X, on_x),
    "FeedForward gated": Case(
        lambda **k: FeedForward(16, activation="silu", gated=True, use_bias=False, output_scale=0.5, **k), X, on_x
    ),
    "LearnedPositions": Case(lambda **k: LearnedPositions(5, **k), X, on_x),
    "MaskedLMHead": Case(
        lambda **k: MaskedLMHead(11, activation="relu", normalization="rms_norm", epsilon=1e-6, **k),
        X | {"positions": np.array([[0, 4], [2, 2], [1, 0]], np.int32)},
        lambda head, tensors: head(
            tensors["x"],
            tensors["positions"],
            project=lambda hidden: keras.ops.matmul(hidden, np.ones((8, 11), "float32")),
        ),
        lambda head, case: TiedHead(head),
    ),
    "Pooler": Case(lambda **k: Pooler(**k), X, on_x),
    "Pooler relu": Case(lambda **k: Pooler("relu", **k), X, on_x),
    "RotaryPositions": Case(
        lambda **k: RotaryPositions(4, base=100.0, **k),
        {"x": np.zeros((3, 5), np.int32), "positions": np.array([[4, 3, 2, 1, 0]] * 3, np.int32)},
        lambda layer, tensors: layer(tensors["x"], positions=tensors["positions"]),
    ),
    "RotaryPositions scaled": Case(
        lambda **k: RotaryPositions(4, scaling=SCALING, **k),
        {"x": np.zeros((3, 5), np.int32), "positions": np.array([[4, 3, 2, 1, 0]] * 3, np.int32)},
        lambda layer, tensors: layer(tensors["x"], positions=tensors["positions"]),
    ),
    "SegmentEmbedding": Case(
        lambda **k: SegmentEmbedding(3, 4, **k), {"x": np.array([[0, 2], [1, 1]], np.int32)}, on_x
    ),
    "SelfAttention": Case(
        lambda **k: SelfAttention(2, dropout=0.2, **k),
        X | MASK,
        lambda layer, tensors: layer(tensors["x"], attention_mask=tensors["mask"]),
    ),
    "SelfAttention causal": Case(
        lambda **k: SelfAttention(2, causal=True, use_bias=False, output_scale=0.5, **k),
        X | ROTATIONS,
        lambda layer, tensors: layer(tensors["x"], rotations=tensors["rotations"]),
    ),
    "SelfAttention biased": Case(lambda **k: SelfAttention(2, use_bias=False, qkv_bias=True, **k), X, on_x),
    "SelfAttention grouped": Case(
        lambda **k: SelfAttention(4, causal=True, key_value_heads=2, dropout=0.2, **k), X, on_x
    ),
    "TokenEmbedding": Case(lambda **k: TokenEmbedding(3, 4, **k), {"x": np.array([[0, 2], [1, 1]], np.int32)}, on_x),
    "TransformerBlock causal": Case(
        lambda **k: TransformerBlock(4, 16, norm_first=True, causal=True, key_value_heads=1, **k),
        X | MASK,
        lambda layer, tensors: layer(tensors["x"], padding_mask=tensors["mask"]),
    ),
    "SinusoidalPositions": Case(lambda **k: SinusoidalPositions(5, base=100.0, **k), X, on_x),
}


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("case", CASES)
def test_contract(case: str, check: str, tmp_path: Path) -> None:
    CHECKS[check](CASES[case], tmp_path)


def test_every_layer_is_under_contract() -> None:
    assert {case.split()[0] for case in CASES} == classes_of("kpt.layers")
