"""The tables of decoders: GPT-2, and Llama and its descendants."""

from __future__ import annotations

from typing import Any

from kpt.interop.family import REQUIRED, Family, Task, of_blocks, of_objectives

__all__ = ["ARCEE", "GPT2", "LLAMA", "QWEN2"]

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
        **of_blocks(
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
    architectures=of_objectives(backbone="GPT2Model", causal_lm="GPT2LMHeadModel"),
    tasks={
        "sequence_classification": Task("GPT2ForSequenceClassification", {"head": ("score",)}, bias=False),
        "token_classification": Task("GPT2ForTokenClassification", {"head": ("classifier",)}),
        "question_answering": Task("GPT2ForQuestionAnswering", {"head": ("qa_outputs",)}),
    },
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
            **of_blocks(
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
        architectures=of_objectives(backbone=f"{name}Model", causal_lm=f"{name}ForCausalLM"),
        tasks={
            "sequence_classification": Task(f"{name}ForSequenceClassification", {"head": ("score",)}, bias=False),
            "token_classification": Task(f"{name}ForTokenClassification", {"head": ("score",)}),
        },
        left_out=("rotary_emb.inv_freq", "lm_head.weight"),
    )


_GATED = ("mlp.gate_proj", "mlp.up_proj")
LLAMA = _llama("llama", "Llama", "Llama", hidden=_GATED)
QWEN2 = _llama("qwen2", "Qwen2", "Qwen2", hidden=_GATED, qkv_bias=True)
# Llama without gates, and with the square of ReLU: what `kpt.models.decoder_config` describes.
ARCEE = _llama("arcee", "Arcee", "Arcee", hidden=("mlp.up_proj",))
