"""Backbones and their named sizes."""

from kpt.models.encoder import Encoder
from kpt.models.sizes import ENCODER_SIZES, bert_config, encoder_config

__all__ = ["ENCODER_SIZES", "Encoder", "bert_config", "encoder_config"]
