"""The tables of KerasHub's backbones: what their arguments and weights are called."""

from __future__ import annotations

from typing import Any

from kpt.interop.family import REQUIRED, Family, of_blocks, of_objectives

__all__ = ["PRESETS"]

_SETTINGS: dict[str, tuple[str, Any]] = {
    "vocabulary_size": ("vocabulary_size", REQUIRED),
    "width": ("hidden_dim", REQUIRED),
    "depth": ("num_layers", REQUIRED),
    "heads": ("num_heads", REQUIRED),
    "feed_forward_width": ("intermediate_dim", REQUIRED),
    "maximum_length": ("max_sequence_length", REQUIRED),
    "dropout": ("dropout", 0.1),
    "attention_dropout": ("dropout", 0.1),
}
_FIXED: dict[str, Any] = {
    "positions": "learned",
    "normalization": "layer_norm",
    "activation": "gelu_tanh",
    "gated": False,
    "use_bias": True,
    "scale_embedding": False,
}


def _block(kind: str) -> dict[str, tuple[str, ...]]:
    """The parts of the blocks, which are layers of `kind`."""
    attention = "_self_attention_layer"
    parts: dict[str, tuple[str, ...]] = {
        "attention/qkv": tuple(f"{attention}/{name}_dense" for name in ("query", "key", "value")),
        "attention/output": (f"{attention}/output_dense",),
        "attention_norm": ("_self_attention_layer_norm",),
        "feed_forward/hidden": ("_feedforward_intermediate_dense",),
        "feed_forward/output": ("_feedforward_output_dense",),
        "feed_forward_norm": ("_feedforward_layer_norm",),
    }
    numbered = of_blocks(kind, parts)
    return {part: tuple(name.replace(".", "/") for name in names) for part, names in numbered.items()}


BERT = Family(
    model_type="BertBackbone",
    title="KerasHub's BERT",
    backbone="encoder",
    settings={**_SETTINGS, "segments": ("num_segments", 2)},
    fixed={
        **_FIXED,
        "norm_first": False,
        "epsilon": 1e-12,
        "pooler": True,
        "pooler_activation": "tanh",
        "embedding_width": None,
        "shared_blocks": False,
    },
    prefix="",
    tensors={
        "token_embedding": ("reversible_embedding",),
        "positions": ("position_embedding",),
        "segment_embedding": ("embedding",),
        "embedding_norm": ("layer_normalization",),
        **_block("transformer_encoder"),
        "pooler/dense": ("dense",),
    },
    heads={},
    transposed=False,
    architectures=of_objectives(backbone="BertBackbone"),
)

GPT2 = Family(
    model_type="GPT2Backbone",
    title="KerasHub's GPT-2",
    backbone="decoder",
    settings=_SETTINGS,
    fixed={**_FIXED, "qkv_bias": True, "epsilon": 1e-5, "tied": True},
    prefix="",
    tensors={
        "token_embedding": ("reversible_embedding",),
        "positions": ("position_embedding",),
        **_block("transformer_decoder"),
        "final_norm": ("layer_normalization",),
    },
    heads={"causal_lm": {}},
    transposed=False,
    architectures=of_objectives(backbone="GPT2Backbone"),
)

#: Every family by the class of its backbone.
PRESETS: dict[str, Family] = {family.model_type: family for family in (BERT, GPT2)}
