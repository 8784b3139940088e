"""Models of others: folders and names of Hugging Face, and presets of KerasHub, in and out."""

from kpt.interop.hub import download, hub_name
from kpt.interop.hugging_face import HuggingFaceFolder, write_hugging_face
from kpt.interop.keras_hub import KerasHubFolder, is_preset, write_keras_hub
from kpt.interop.published_tokenizer import PublishedTokenizer
from kpt.interop.sentence_transformers import write_sentence_transformers

__all__ = [
    "HuggingFaceFolder",
    "KerasHubFolder",
    "PublishedTokenizer",
    "download",
    "hub_name",
    "is_preset",
    "write_hugging_face",
    "write_keras_hub",
    "write_sentence_transformers",
]
