"""Models for those who have no kpt: SavedModels that take text."""

from kpt.export.saved_model import saved_model
from kpt.export.word_vectors import export_word_vectors

__all__ = ["export_word_vectors", "saved_model"]
