"""Backbones and their named sizes."""

from kpt.models.encoder import Encoder

__all__ = ["Encoder"]
