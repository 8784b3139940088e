"""Small random models of Hugging Face's, saved as their library saves them, and what they compute."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from kpt.text import BytePairTokenizer, Vocabulary, WordPieceTokenizer
from kpt.text.byte_pair_bytes import BYTE_CHARACTERS
from kpt.text.byte_pair_folder import END_OF_TEXT

VOCABULARY, LENGTH, WIDTH = 270, 24, 24

_BERT = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "max_position_embeddings": LENGTH,
}
_LLAMA = {**_BERT, "num_key_value_heads": 2, "rms_norm_eps": 1e-5}
_LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}

# Class of the model, and its settings: each differs from the defaults where it may.
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert for pre-training": ("BertForPreTraining", _BERT),
    "bert for masked tokens": ("BertForMaskedLM", {**_BERT, "hidden_act": "relu", "layer_norm_eps": 1e-3}),
    "bert": ("BertModel", {**_BERT, "type_vocab_size": 3}),
    "roberta": ("RobertaForMaskedLM", {**_BERT, "type_vocab_size": 1, "max_position_embeddings": LENGTH + 2}),
    "distilbert": (
        "DistilBertForMaskedLM",
        {
            **{"vocab_size": VOCABULARY, "dim": WIDTH, "n_layers": 3, "n_heads": 4, "hidden_dim": 40},
            "max_position_embeddings": LENGTH,
        },
    ),
    "albert": ("AlbertForPreTraining", {**_BERT, "embedding_size": 12, "hidden_act": "relu"}),
    "electra generator": ("ElectraForMaskedLM", {**_BERT, "embedding_size": 12, "type_vocab_size": 3}),
    "electra discriminator": ("ElectraModel", {**_BERT, "embedding_size": WIDTH}),
    "esm": (
        "EsmForMaskedLM",
        {**_BERT, "position_embedding_type": "rotary", "emb_layer_norm_before": False, "pad_token_id": 0},
    ),
    "gpt2": (
        "GPT2LMHeadModel",
        {"vocab_size": VOCABULARY, "n_embd": WIDTH, "n_layer": 3, "n_head": 4, "n_positions": LENGTH, "n_inner": 40},
    ),
    "gpt2 untied": (
        "GPT2LMHeadModel",
        {
            **{"vocab_size": VOCABULARY, "n_embd": WIDTH, "n_layer": 2, "n_head": 4, "n_positions": LENGTH},
            **{"tie_word_embeddings": False, "activation_function": "gelu"},
        },
    ),
    "llama": ("LlamaForCausalLM", {**_LLAMA, "rope_parameters": {"rope_type": "default", "rope_theta": 300.0}}),
    "llama tied and scaled": ("LlamaForCausalLM", {**_LLAMA, "tie_word_embeddings": True, "rope_parameters": _LLAMA3}),
    "qwen2": ("Qwen2ForCausalLM", _LLAMA),
    "arcee": ("ArceeForCausalLM", _LLAMA),
}

DECODERS = [kind for kind in KINDS if kind.startswith(("gpt2", "llama", "qwen2", "arcee"))]
ENCODERS = [kind for kind in KINDS if kind not in DECODERS]

_LABELS = {0: "O", 1: "B-name", 2: "I-name"}
# Heads of tasks: what comes before the name of the task in a class's name, and the settings of its smallest model.
TASK_FAMILIES: dict[str, dict[str, Any]] = {
    "Bert": {**_BERT, "num_hidden_layers": 1},
    "Roberta": {**KINDS["roberta"][1], "num_hidden_layers": 1},
    "DistilBert": {**KINDS["distilbert"][1], "n_layers": 1},
    "Albert": {**KINDS["albert"][1], "num_hidden_layers": 2},
    "Electra": {**KINDS["electra generator"][1], "num_hidden_layers": 1},
    "Esm": {**KINDS["esm"][1], "num_hidden_layers": 1},
    "GPT2": {**KINDS["gpt2"][1], "n_layer": 1},
    "Llama": {**_LLAMA, "num_hidden_layers": 1},
}
TASKS = {
    f"{family}For{task}": (f"{family}For{task}", {**settings, "id2label": _LABELS, "pad_token_id": 1})
    for family, settings in TASK_FAMILIES.items()
    for task in ("SequenceClassification", "TokenClassification", "QuestionAnswering")
    # Llama's tensors have another prefix there, ESM has no such class.
    if task != "QuestionAnswering" or family not in ("Llama", "Esm")
}
for _name in [name for name in TASKS if name.endswith("QuestionAnswering")]:
    TASKS[_name][1]["id2label"] = {0: "LABEL_0", 1: "LABEL_1"}


@cache
def wordpiece() -> WordPieceTokenizer:
    """BERT's special tokens, letters and a few words."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *letters,
        *(f"##{letter}" for letter in letters),
        "the",
        "cat",
    ]
    return WordPieceTokenizer(Vocabulary.from_tokens([*pieces, *(f"word{i}" for i in range(VOCABULARY - len(pieces)))]))


@cache
def byte_pair() -> BytePairTokenizer:
    """The bytes, a few merges, and the end of text."""
    merges = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("c", "a"), ("ca", "t"), ("Ġ", "cat")]
    pieces = [*BYTE_CHARACTERS, *(left + right for left, right in merges), END_OF_TEXT]
    return BytePairTokenizer(Vocabulary.from_tokens(pieces, {"pad": END_OF_TEXT, "end": END_OF_TEXT}), merges)


@cache
def roberta_pieces() -> BytePairTokenizer:
    """The bytes with RoBERTa's special tokens where RoBERTa has them."""
    pieces = ["<s>", "<pad>", "</s>", "<unk>", *BYTE_CHARACTERS, "th", "the", "Ġthe", "<mask>"]
    roles = {"cls": "<s>", "pad": "<pad>", "sep": "</s>", "end": "</s>", "mask": "<mask>"}
    merges = [("t", "h"), ("th", "e"), ("Ġ", "the")]
    return BytePairTokenizer(Vocabulary.from_tokens(pieces, roles, ["<unk>"]), merges)


def tokenizer_for(kind: str) -> Any:
    if kind.startswith("roberta"):
        return roberta_pieces()
    return byte_pair() if kind in DECODERS else wordpiece()


@cache
def made(kind: str) -> Any:
    """The model, with biases and norms that are not as at the beginning either."""
    import torch
    import transformers

    name, settings = {**KINDS, **TASKS}[kind]
    if kind in DECODERS:
        settings = {**settings, "bos_token_id": 262, "eos_token_id": 262}
    torch.manual_seed(0)
    cls = getattr(transformers, name)
    model = cls(cls.config_class(**settings, initializer_range=0.2)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    return model


def save(kind: str, folder: Path, **options: Any) -> Path:
    """Write the model's folder with a tokenizer."""
    made(kind).save_pretrained(folder, **options)
    tokenizer_for(kind).save(folder)
    return folder


def batch(rows: int, segments: int) -> dict[str, np.ndarray]:
    """Tokens, segments where there are some, and padding of different lengths."""
    generator = np.random.default_rng(rows)
    length = LENGTH - 2
    lengths = np.linspace(length, 1, rows).astype(int)[:, None]
    inputs = {
        # Without 1, which is padding to RoBERTa.
        "token_ids": generator.integers(5, VOCABULARY, (rows, length)).astype("int32"),
        "padding_mask": np.arange(length) < lengths,
    }
    if segments:
        inputs["segment_ids"] = (np.arange(length) * segments // (length + 1) * np.ones((rows, 1))).astype("int32")
    return inputs


def outputs_of(model: Any, inputs: dict[str, np.ndarray], padding: int = 0) -> dict[str, np.ndarray]:
    """What a model of theirs gives, by our names."""
    import torch

    decoder = "padding_mask" not in inputs
    mask = inputs.get("padding_mask", np.ones_like(inputs["token_ids"])).astype("int64")
    given = {"input_ids": torch.tensor(np.where(mask, inputs["token_ids"], padding).astype("int64"))}
    if not decoder:
        given["attention_mask"] = torch.tensor(mask)
    if "segment_ids" in inputs:
        given["token_type_ids"] = torch.tensor(inputs["segment_ids"].astype("int64"))
    with torch.no_grad():
        found = model(**given, output_hidden_states=True)
    sequence = found.hidden_states[-1]
    outputs = {"sequence": sequence, "pooled": getattr(found, "pooler_output", None)}
    scores = getattr(found, "prediction_logits", getattr(found, "logits", None))
    outputs["causal_lm" if decoder else "masked_lm"] = scores
    outputs["next_sentence"] = getattr(found, "seq_relationship_logits", None)
    return {name: value.numpy() for name, value in outputs.items() if value is not None}
