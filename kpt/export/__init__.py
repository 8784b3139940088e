"""Models for those who have no kpt: SavedModels that take text, and files for ONNX Runtime and OpenVINO."""

from kpt.export.check import Checked, check_saved_model
from kpt.export.saved_model import generates, saved_model
from kpt.export.token_models import export_token_model
from kpt.export.word_vectors import export_word_vectors

__all__ = [
    "Checked",
    "check_saved_model",
    "export_token_model",
    "export_word_vectors",
    "generates",
    "saved_model",
]
