from __future__ import annotations

from typing import Any

import pytest

from kpt.errors import InputError
from kpt.interop.families import FAMILIES
from kpt.interop.settings import arguments_of, config_of, family_for, family_of
from kpt.models import Decoder, decoder_config
from tests.batches import tiny_decoder, tiny_encoder

BERT: dict[str, Any] = {
    "model_type": "bert",
    "vocab_size": 100,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 12,
}
LLAMA = {**BERT, "model_type": "llama", "num_key_value_heads": 1}


def test_what_a_config_leaves_out_is_the_familys_default() -> None:
    arguments = arguments_of(FAMILIES["bert"], BERT, "config.json")
    assert arguments["segments"] == 2 and arguments["epsilon"] == 1e-12 and arguments["activation"] == "gelu"
    assert arguments_of(FAMILIES["llama"], LLAMA, "config.json")["tied"] is False


@pytest.mark.parametrize(
    ("config", "change", "message"),
    [
        (BERT, {"hidden_size": "8"}, "config.json: hidden_size is '8', which cannot be"),
        (BERT, {"num_hidden_layers": 0}, "num_hidden_layers is 0"),
        (BERT, {"vocab_size": True}, "vocab_size is True"),
        (BERT, {"hidden_act": "mish"}, "hidden_act is 'mish', and kpt has gelu, gelu_new, relu"),
        (BERT, {"hidden_act": ["gelu"]}, "hidden_act is"),
        (BERT, {"layer_norm_eps": float("nan")}, "layer_norm_eps is nan"),
        (BERT, {"position_embedding_type": "relative_key"}, "kpt reads BERT with 'absolute' alone"),
        (BERT, {"is_decoder": True}, "is_decoder is True"),
        (LLAMA, {"attention_bias": True}, "attention_bias is True"),
        (LLAMA, {"head_dim": 16}, "head_dim is 16"),
        (LLAMA, {"rope_scaling": {"type": "linear", "factor": 2.0}}, "rotary positions are 'linear'"),
        (LLAMA, {"rope_scaling": {"rope_type": "llama3", "factor": 2.0}}, "rope_scaling is"),
        (LLAMA, {"rope_parameters": [1]}, r"rope_parameters is \[1\] and no object"),
    ],
)
def test_what_cannot_be_is_refused(config: dict[str, Any], change: dict[str, Any], message: str) -> None:
    family = family_of(config, "config.json")
    with pytest.raises(InputError, match=message):
        arguments_of(family, {**config, **change}, "config.json")


def test_a_config_without_a_size_or_of_another_family_is_refused() -> None:
    with pytest.raises(InputError, match=r"config.json has no hidden_size; copy the checkpoint again"):
        arguments_of(FAMILIES["bert"], {k: v for k, v in BERT.items() if k != "hidden_size"}, "config.json")
    for kind in ("t5", None, ["bert"], {}):
        with pytest.raises(InputError, match=r"its model_type is .*, and kpt reads bert, roberta"):
            family_of({"model_type": kind}, "config.json")


@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_a_config_is_read_as_it_was_written(kind: str) -> None:
    family, config = FAMILIES[kind], {"bert": BERT, "llama": LLAMA}[kind]
    if kind == "llama":
        scaling = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
        config = {**config, "rope_theta": 5e5}
        config["rope_scaling"] = {"rope_type": "llama3", **scaling, "original_max_position_embeddings": 8}
    arguments = arguments_of(family, config, "config.json")
    written = config_of(family, arguments)
    assert arguments_of(family, written, "config.json") == arguments
    assert {key: written[key] for key in config} == config


def test_the_family_is_the_one_that_computes_the_same() -> None:
    encoder = tiny_encoder().arguments
    assert family_for("encoder", encoder).model_type == "bert"
    assert family_for("encoder", {**encoder, "segments": 0, "epsilon": 1e-5}, "RobertaTokenizer").title == "RoBERTa"
    assert family_for("encoder", {**encoder, "segments": 0, "pooler": False}).model_type == "distilbert"
    assert family_for("decoder", tiny_decoder().arguments).model_type == "gpt2"
    modern = Decoder(23, **decoder_config("tiny")).arguments
    assert family_for("decoder", modern).model_type == "arcee"
    gated = {**modern, "gated": True, "activation": "silu"}
    assert family_for("decoder", gated).model_type == "llama"
    assert family_for("decoder", {**gated, "qkv_bias": True}).model_type == "qwen2"


def test_the_message_says_what_differs_from_the_nearest() -> None:
    arguments = {**tiny_encoder().arguments, "positions": "rotary"}
    with pytest.raises(
        InputError,
        match=r"no architecture of Hugging Face's is exactly this encoder: the nearest is .*positions is 'rotary' and "
        r"not 'learned'.*--architecture published",
    ):
        family_for("encoder", arguments)
    with pytest.raises(InputError, match="key_value_heads is 2 and not 4"):
        family_for("decoder", tiny_decoder(key_value_heads=2).arguments)
    with pytest.raises(InputError, match="activation is 'elu'"):
        family_for("decoder", tiny_decoder(activation="elu").arguments)
