"""The tables of encoders: BERT and its descendants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kpt.interop.family import REQUIRED, Family, Task, of_blocks, of_objectives
from kpt.layers import rotary_frequencies

__all__ = ["ALBERT", "BERT", "DISTILBERT", "ELECTRA", "ESM", "ROBERTA"]

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
    "embedding_width": None,
    "pooler_activation": "tanh",
    "shared_blocks": False,
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


_BERT_TENSORS = {
    "token_embedding": ("embeddings.word_embeddings",),
    "positions": ("embeddings.position_embeddings",),
    "embedding_norm": ("embeddings.LayerNorm",),
    **of_blocks("encoder.layer", _BERT_BLOCK),
    "pooler/dense": ("pooler.dense",),
}

_DENSE_CLASSIFIER = {"pooler/dense": ("classifier.dense",), "head": ("classifier.out_proj",)}


def _tasks(name: str, **differences: Task) -> dict[str, Task]:
    """BERT's tasks for the classes that begin with a name, but for those that are given."""
    return {
        "sequence_classification": Task(f"{name}ForSequenceClassification", {"head": ("classifier",)}, pooler="tanh"),
        "token_classification": Task(f"{name}ForTokenClassification", {"head": ("classifier",)}),
        "question_answering": Task(f"{name}ForQuestionAnswering", {"head": ("qa_outputs",)}),
        **differences,
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
    architectures=of_objectives(
        backbone="BertModel",
        masked_lm="BertForMaskedLM",
        next_sentence="BertForNextSentencePrediction",
        masked_lm_and_next_sentence="BertForPreTraining",
    ),
    tasks=_tasks("Bert"),
    left_out=("embeddings.position_ids", "cls.predictions.decoder.weight", "cls.predictions.decoder.bias"),
)

# Its head takes GELU whatever the blocks take. Its one segment says nothing: its vector is added to those of the
# positions. Positions count from the id of padding on, and that is 1 in every published vocabulary.
ROBERTA = Family(
    model_type="roberta",
    title="RoBERTa",
    backbone="encoder",
    settings={
        name: place for name, place in _BERT_SETTINGS.items() if name not in ("segments", "epsilon", "activation")
    }
    | {"epsilon": ("layer_norm_eps", 1e-5)},
    fixed={**_BERT_FIXED, "segments": 0, "activation": "gelu"},
    demands={**_BERT_DEMANDS, "type_vocab_size": 1, "pad_token_id": 1, "hidden_act": "gelu"},
    prefix="roberta.",
    tensors=_BERT_TENSORS,
    heads={"masked_lm": {"transform": ("lm_head.dense",), "norm": ("lm_head.layer_norm",), "": ("lm_head",)}},
    architectures=of_objectives(backbone="RobertaModel", masked_lm="RobertaForMaskedLM"),
    tasks=_tasks(
        "Roberta",
        sequence_classification=Task("RobertaForSequenceClassification", _DENSE_CLASSIFIER, pooler="tanh"),
    ),
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
        **of_blocks(
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
    architectures=of_objectives(backbone="DistilBertModel", masked_lm="DistilBertForMaskedLM"),
    tasks=_tasks(
        "DistilBert",
        sequence_classification=Task(
            "DistilBertForSequenceClassification",
            {"pooler/dense": ("pre_classifier",), "head": ("classifier",)},
            pooler="relu",
        ),
    ),
    left_out=("embeddings.position_ids", "vocab_projector.weight"),
)

# One block, which `num_hidden_layers` times over is the model, and embeddings of a width of their own.
ALBERT = Family(
    model_type="albert",
    title="ALBERT",
    backbone="encoder",
    settings={
        **_BERT_SETTINGS,
        "embedding_width": ("embedding_size", 128),
        "activation": ("hidden_act", "gelu_new"),
        "dropout": ("hidden_dropout_prob", 0.0),
        "attention_dropout": ("attention_probs_dropout_prob", 0.0),
    },
    fixed={name: value for name, value in _BERT_FIXED.items() if name != "embedding_width"} | {"shared_blocks": True},
    demands={"num_hidden_groups": 1, "inner_group_num": 1, "tie_word_embeddings": True},
    prefix="albert.",
    tensors={
        "token_embedding": ("embeddings.word_embeddings",),
        "positions": ("embeddings.position_embeddings",),
        "segment_embedding": ("embeddings.token_type_embeddings",),
        "embedding_norm": ("embeddings.LayerNorm",),
        "embedding_projection": ("encoder.embedding_hidden_mapping_in",),
        **{
            f"block/{part}": tuple(f"encoder.albert_layer_groups.0.albert_layers.0.{name}" for name in names)
            for part, names in {
                "attention/qkv": ("attention.query", "attention.key", "attention.value"),
                "attention/output": ("attention.dense",),
                "attention_norm": ("attention.LayerNorm",),
                "feed_forward/hidden": ("ffn",),
                "feed_forward/output": ("ffn_output",),
                "feed_forward_norm": ("full_layer_layer_norm",),
            }.items()
        },
        "pooler/dense": ("pooler",),
    },
    heads={
        "masked_lm": {
            "transform": ("predictions.dense",),
            "norm": ("predictions.LayerNorm",),
            "": ("predictions",),
        },
        # It was trained to tell the order of two texts that follow each other: 0 for the right one.
        "next_sentence": {"": ("sop_classifier.classifier",)},
    },
    architectures=of_objectives(
        backbone="AlbertModel", masked_lm="AlbertForMaskedLM", masked_lm_and_next_sentence="AlbertForPreTraining"
    ),
    tasks=_tasks("Albert"),
    left_out=("embeddings.position_ids", "predictions.decoder.weight", "predictions.decoder.bias"),
)

# The head of its generator takes GELU whatever the blocks take.
ELECTRA = Family(
    model_type="electra",
    title="ELECTRA",
    backbone="encoder",
    settings={name: place for name, place in _BERT_SETTINGS.items() if name != "activation"}
    | {"embedding_width": ("embedding_size", 128)},
    fixed={name: value for name, value in _BERT_FIXED.items() if name != "embedding_width"}
    | {"pooler": False, "activation": "gelu"},
    demands={**_BERT_DEMANDS, "hidden_act": "gelu"},
    prefix="electra.",
    tensors={
        **{part: names for part, names in _BERT_TENSORS.items() if part != "pooler/dense"},
        "segment_embedding": ("embeddings.token_type_embeddings",),
        "embedding_projection": ("embeddings_project",),
    },
    heads={
        "masked_lm": {
            "transform": ("generator_predictions.dense",),
            "norm": ("generator_predictions.LayerNorm",),
            "": ("generator_lm_head",),
        }
    },
    architectures=of_objectives(backbone="ElectraModel", masked_lm="ElectraForMaskedLM"),
    tasks=_tasks(
        "Electra",
        sequence_classification=Task("ElectraForSequenceClassification", _DENSE_CLASSIFIER, pooler="gelu"),
    ),
    projects_always=False,
    left_out=("embeddings.position_ids", "generator_lm_head.weight"),
)


def _unread_of_esm(arguments: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The head for contacts of amino acids, and the angles of a step."""
    depth, heads, width = (arguments[name] for name in ("depth", "heads", "width"))
    return {
        "contact_head.regression.weight": np.zeros((1, depth * heads), np.float32),
        "contact_head.regression.bias": np.zeros(1, np.float32),
        "rotary_embeddings.inv_freq": rotary_frequencies(width // heads, 10_000.0).astype(np.float32),
    }


# The one that has rotary positions and the normalization before each part, as `kpt.models.encoder_config` has. Its head
# takes GELU as the blocks do.
ESM = Family(
    model_type="esm",
    title="ESM",
    backbone="encoder",
    settings={name: place for name, place in _BERT_SETTINGS.items() if name not in ("segments", "activation")},
    fixed={**_BERT_FIXED, "positions": "rotary", "norm_first": True, "segments": 0, "activation": "gelu"},
    demands={
        **{name: value for name, value in _BERT_DEMANDS.items() if name != "position_embedding_type"},
        **{"position_embedding_type": "rotary", "emb_layer_norm_before": False, "token_dropout": False},
        **{"is_folding_model": False, "rope_theta": 10_000.0},
    },
    prefix="esm.",
    tensors={
        "token_embedding": ("embeddings.word_embeddings",),
        **of_blocks(
            "encoder.layer",
            {
                **{part: names for part, names in _BERT_BLOCK.items() if not part.endswith("_norm")},
                "attention_norm": ("attention.LayerNorm",),
                "feed_forward_norm": ("LayerNorm",),
            },
        ),
        "final_norm": ("encoder.emb_layer_norm_after",),
        "pooler/dense": ("pooler.dense",),
    },
    heads={"masked_lm": {"transform": ("lm_head.dense",), "norm": ("lm_head.layer_norm",), "": ("lm_head",)}},
    architectures=of_objectives(backbone="EsmModel", masked_lm="EsmForMaskedLM"),
    tasks={
        "sequence_classification": Task("EsmForSequenceClassification", _DENSE_CLASSIFIER, pooler="tanh"),
        "token_classification": Task("EsmForTokenClassification", {"head": ("classifier",)}),
    },
    unread=_unread_of_esm,
    left_out=(
        *("embeddings.position_ids", "rotary_embeddings.inv_freq", "lm_head.decoder.weight"),
        *("contact_head.regression.weight", "contact_head.regression.bias"),
    ),
)
