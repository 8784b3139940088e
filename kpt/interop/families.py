"""The families of models that Hugging Face folders hold: what their settings and tensors are called there.

A family is a table, read in both directions by `kpt.interop.settings` and `kpt.interop.weights`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["FAMILIES", "REQUIRED", "Family"]

#: Stands for the default of a setting that a config.json must have.
REQUIRED = object()


@dataclass(frozen=True, kw_only=True)
class Family:
    """What one `model_type` is called, in its config.json and in its tensors.

    Attributes:
        model_type: The name in config.json.
        title: The name in messages.
        backbone: `"encoder"` or `"decoder"`.
        settings: Argument of the backbone to its key in config.json, and what counts where the key is missing.
        fixed: Arguments of the backbone that every model of the family has so.
        also: Further keys of config.json that are written: the argument whose value each has.
        demands: Keys of config.json with the one value that the backbone can have; a missing key counts as it.
        prefix: What tensors of the backbone begin with where the checkpoint has heads.
        tensors: Part of our model to the tensors of that part, without `.weight` or `.bias`; several are joined along
            their outputs. `{i}` is the number of a block.
        heads: The same of each objective's head, without prefix.
        transposed: Whether kernels are `[outputs, inputs]` there.
        architectures: The class in `transformers` for each set of objectives.
        position_offset: Rows of the table of positions before that of the first token.
        tokenizer_class: The tokenizer's class in `transformers`, where its own name is not what the family needs.
        left_out: Tensors that say nothing that the others do not: ends of their names.
    """

    model_type: str
    title: str
    backbone: str
    settings: Mapping[str, tuple[str, Any]]
    fixed: Mapping[str, Any]
    also: Mapping[str, str] = field(default_factory=dict)
    demands: Mapping[str, Any] = field(default_factory=dict)
    prefix: str
    tensors: Mapping[str, tuple[str, ...]]
    heads: Mapping[str, Mapping[str, tuple[str, ...]]]
    transposed: bool = True
    architectures: Mapping[frozenset[str], str]
    position_offset: int = 0
    tokenizer_class: str | None = None
    left_out: tuple[str, ...] = ()


def _sets(**names: str) -> dict[frozenset[str], str]:
    """Class by the objectives that its keyword joins with `_and_`; `backbone` is none."""
    return {frozenset() if key == "backbone" else frozenset(key.split("_and_")): name for key, name in names.items()}


_BERT_SETTINGS: dict[str, tuple[str, Any]] = {
    "vocabulary_size": ("vocab_size", REQUIRED),
    "width": ("hidden_size", REQUIRED),
    "depth": ("num_hidden_layers", REQUIRED),
    "heads": ("num_attention_heads", REQUIRED),
    "feed_forward_width": ("intermediate_size", REQUIRED),
    "maximum_length": ("max_position_embeddings", REQUIRED),
    "segments": ("type_vocab_size", 2),
    "activation": ("hidden_act", "gelu"),
    "dropout": ("hidden_dropout_prob", 0.1),
    "attention_dropout": ("attention_probs_dropout_prob", 0.1),
    "epsilon": ("layer_norm_eps", 1e-12),
}
_BERT_FIXED: dict[str, Any] = {
    "positions": "learned",
    "norm_first": False,
    "normalization": "layer_norm",
    "gated": False,
    "use_bias": True,
    "scale_embedding": False,
}
_BERT_DEMANDS: dict[str, Any] = {
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
    "tie_word_embeddings": True,
}
_BERT_BLOCK: dict[str, tuple[str, ...]] = {
    "attention/qkv": ("attention.self.query", "attention.self.key", "attention.self.value"),
    "attention/output": ("attention.output.dense",),
    "attention_norm": ("attention.output.LayerNorm",),
    "feed_forward/hidden": ("intermediate.dense",),
    "feed_forward/output": ("output.dense",),
    "feed_forward_norm": ("output.LayerNorm",),
}


def _blocks(layer: str, parts: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The parts of each block, named from the model's root."""
    return {f"block_{{i}}/{part}": tuple(f"{layer}.{{i}}.{name}" for name in names) for part, names in parts.items()}


_BERT_TENSORS = {
    "token_embedding": ("embeddings.word_embeddings",),
    "positions": ("embeddings.position_embeddings",),
    "embedding_norm": ("embeddings.LayerNorm",),
    **_blocks("encoder.layer", _BERT_BLOCK),
    "pooler/dense": ("pooler.dense",),
}

BERT = Family(
    model_type="bert",
    title="BERT",
    backbone="encoder",
    settings=_BERT_SETTINGS,
    fixed=_BERT_FIXED,
    demands=_BERT_DEMANDS,
    prefix="bert.",
    tensors={**_BERT_TENSORS, "segment_embedding": ("embeddings.token_type_embeddings",)},
    heads={
        "masked_lm": {
            "transform": ("cls.predictions.transform.dense",),
            "norm": ("cls.predictions.transform.LayerNorm",),
            "": ("cls.predictions",),
        },
        "next_sentence": {"": ("cls.seq_relationship",)},
    },
    architectures=_sets(
        backbone="BertModel",
        masked_lm="BertForMaskedLM",
        next_sentence="BertForNextSentencePrediction",
        masked_lm_and_next_sentence="BertForPreTraining",
    ),
    left_out=("embeddings.position_ids", "cls.predictions.decoder.weight", "cls.predictions.decoder.bias"),
)

# Its one segment says nothing: its vector is added to those of the positions. Positions count from the id of padding
# on, and that is 1 in every published vocabulary.
ROBERTA = Family(
    model_type="roberta",
    title="RoBERTa",
    backbone="encoder",
    settings={name: place for name, place in _BERT_SETTINGS.items() if name not in ("segments", "epsilon")}
    | {"epsilon": ("layer_norm_eps", 1e-5)},
    fixed={**_BERT_FIXED, "segments": 0},
    demands={**_BERT_DEMANDS, "type_vocab_size": 1, "pad_token_id": 1},
    prefix="roberta.",
    tensors=_BERT_TENSORS,
    heads={"masked_lm": {"transform": ("lm_head.dense",), "norm": ("lm_head.layer_norm",), "": ("lm_head",)}},
    architectures=_sets(backbone="RobertaModel", masked_lm="RobertaForMaskedLM"),
    position_offset=2,
    tokenizer_class="RobertaTokenizer",
    left_out=("embeddings.position_ids", "lm_head.decoder.weight", "lm_head.decoder.bias"),
)

DISTILBERT = Family(
    model_type="distilbert",
    title="DistilBERT",
    backbone="encoder",
    settings={
        "vocabulary_size": ("vocab_size", REQUIRED),
        "width": ("dim", REQUIRED),
        "depth": ("n_layers", REQUIRED),
        "heads": ("n_heads", REQUIRED),
        "feed_forward_width": ("hidden_dim", REQUIRED),
        "maximum_length": ("max_position_embeddings", REQUIRED),
        "activation": ("activation", "gelu"),
        "dropout": ("dropout", 0.1),
        "attention_dropout": ("attention_dropout", 0.1),
    },
    fixed={**_BERT_FIXED, "segments": 0, "pooler": False, "epsilon": 1e-12},
    demands={"tie_word_embeddings": True},
    prefix="distilbert.",
    tensors={
        "token_embedding": ("embeddings.word_embeddings",),
        "positions": ("embeddings.position_embeddings",),
        "embedding_norm": ("embeddings.LayerNorm",),
        **_blocks(
            "transformer.layer",
            {
                "attention/qkv": ("attention.q_lin", "attention.k_lin", "attention.v_lin"),
                "attention/output": ("attention.out_lin",),
                "attention_norm": ("sa_layer_norm",),
                "feed_forward/hidden": ("ffn.lin1",),
                "feed_forward/output": ("ffn.lin2",),
                "feed_forward_norm": ("output_layer_norm",),
            },
        ),
    },
    heads={"masked_lm": {"transform": ("vocab_transform",), "norm": ("vocab_layer_norm",), "": ("vocab_projector",)}},
    architectures=_sets(backbone="DistilBertModel", masked_lm="DistilBertForMaskedLM"),
    left_out=("embeddings.position_ids", "vocab_projector.weight"),
)

GPT2 = Family(
    model_type="gpt2",
    title="GPT-2",
    backbone="decoder",
    settings={
        "vocabulary_size": ("vocab_size", REQUIRED),
        "width": ("n_embd", REQUIRED),
        "depth": ("n_layer", REQUIRED),
        "heads": ("n_head", REQUIRED),
        "feed_forward_width": ("n_inner", None),
        "maximum_length": ("n_positions", REQUIRED),
        "activation": ("activation_function", "gelu_new"),
        "dropout": ("resid_pdrop", 0.1),
        "attention_dropout": ("attn_pdrop", 0.1),
        "epsilon": ("layer_norm_epsilon", 1e-5),
        "tied": ("tie_word_embeddings", True),
        "initial_deviation": ("initializer_range", 0.02),
    },
    fixed={
        "positions": "learned",
        "normalization": "layer_norm",
        "gated": False,
        "use_bias": True,
        "qkv_bias": True,
        "scale_embedding": False,
    },
    also={"embd_pdrop": "dropout"},
    demands={
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "add_cross_attention": False,
    },
    prefix="transformer.",
    tensors={
        "token_embedding": ("wte",),
        "positions": ("wpe",),
        **_blocks(
            "h",
            {
                "attention_norm": ("ln_1",),
                "attention/qkv": ("attn.c_attn",),
                "attention/output": ("attn.c_proj",),
                "feed_forward_norm": ("ln_2",),
                "feed_forward/hidden": ("mlp.c_fc",),
                "feed_forward/output": ("mlp.c_proj",),
            },
        ),
        "final_norm": ("ln_f",),
    },
    heads={"causal_lm": {"": ("lm_head",)}},
    transposed=False,
    architectures=_sets(backbone="GPT2Model", causal_lm="GPT2LMHeadModel"),
    left_out=(".attn.bias", ".attn.masked_bias", "lm_head.weight"),
)


def _llama(model_type: str, title: str, name: str, *, hidden: tuple[str, ...], **differences: Any) -> Family:
    """A family that is Llama but for its title, its feed-forward network and the arguments that are given."""
    return Family(
        model_type=model_type,
        title=title,
        backbone="decoder",
        settings={
            "vocabulary_size": ("vocab_size", REQUIRED),
            "width": ("hidden_size", REQUIRED),
            "depth": ("num_hidden_layers", REQUIRED),
            "heads": ("num_attention_heads", REQUIRED),
            "key_value_heads": ("num_key_value_heads", None),
            "feed_forward_width": ("intermediate_size", REQUIRED),
            "maximum_length": ("max_position_embeddings", REQUIRED),
            "rotary_base": ("rope_theta", 10_000.0),
            "rotary_scaling": ("rope_scaling", None),
            "activation": ("hidden_act", "relu2" if model_type == "arcee" else "silu"),
            "attention_dropout": ("attention_dropout", 0.0),
            "epsilon": ("rms_norm_eps", 1e-6),
            "tied": ("tie_word_embeddings", False),
            "initial_deviation": ("initializer_range", 0.02),
        },
        fixed={
            "positions": "rotary",
            "normalization": "rms_norm",
            "gated": len(hidden) == 2,
            "use_bias": False,
            "qkv_bias": False,
            "scale_embedding": False,
            **differences,
        },
        demands={"attention_bias": False, "mlp_bias": False, "use_sliding_window": False},
        prefix="model.",
        tensors={
            "token_embedding": ("embed_tokens",),
            **_blocks(
                "layers",
                {
                    "attention_norm": ("input_layernorm",),
                    "attention/qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
                    "attention/output": ("self_attn.o_proj",),
                    "feed_forward_norm": ("post_attention_layernorm",),
                    "feed_forward/hidden": hidden,
                    "feed_forward/output": ("mlp.down_proj",),
                },
            ),
            "final_norm": ("norm",),
        },
        heads={"causal_lm": {"": ("lm_head",)}},
        architectures=_sets(backbone=f"{name}Model", causal_lm=f"{name}ForCausalLM"),
        left_out=("rotary_emb.inv_freq", "lm_head.weight"),
    )


_GATED = ("mlp.gate_proj", "mlp.up_proj")
LLAMA = _llama("llama", "Llama", "Llama", hidden=_GATED)
QWEN2 = _llama("qwen2", "Qwen2", "Qwen2", hidden=_GATED, qkv_bias=True)
# Llama without gates, and with the square of ReLU: what `kpt.models.decoder_config` describes.
ARCEE = _llama("arcee", "Arcee", "Arcee", hidden=("mlp.up_proj",))

#: Every family by its `model_type`; of those that a model could be written as, the first one is taken.
FAMILIES: dict[str, Family] = {
    family.model_type: family for family in (BERT, ROBERTA, DISTILBERT, GPT2, LLAMA, QWEN2, ARCEE)
}
