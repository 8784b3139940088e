"""Backbones and their named sizes."""

from kpt.models.costs import activation_bytes, training_flops
from kpt.models.decoder import Decoder
from kpt.models.encoder import Encoder
from kpt.models.sizes import GPT2_SIZES, SIZES, bert_config, decoder_config, encoder_config, gpt2_config

__all__ = [
    "GPT2_SIZES",
    "SIZES",
    "Decoder",
    "Encoder",
    "activation_bytes",
    "bert_config",
    "decoder_config",
    "encoder_config",
    "gpt2_config",
    "training_flops",
]
