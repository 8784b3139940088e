"""Models for those who have no kpt: SavedModels that take text."""

from kpt.export.saved_model import saved_model

__all__ = ["saved_model"]
