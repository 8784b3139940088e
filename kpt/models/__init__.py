"""Backbones and their named sizes."""

from kpt.models.encoder import Encoder
from kpt.models.sizes import SIZES, bert_config, encoder_config

__all__ = ["SIZES", "Encoder", "bert_config", "encoder_config"]
