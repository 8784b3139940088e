"""Models of others: folders and names of Hugging Face, in and out."""

from kpt.interop.hub import download, hub_name
from kpt.interop.hugging_face import HuggingFaceFolder, write_hugging_face
from kpt.interop.published_tokenizer import PublishedTokenizer

__all__ = ["HuggingFaceFolder", "PublishedTokenizer", "download", "hub_name", "write_hugging_face"]
