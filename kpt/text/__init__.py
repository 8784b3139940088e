"""Text: reading corpora, cleaning them, splitting sentences, and turning text into ids and back.

Nothing is imported before it is used, as with `kpt` itself: reading a corpus loads the standard library alone.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kpt.text import clean
    from kpt.text.corpus import Corpus
    from kpt.text.docstrings import DocumentationCorpus, documentation
    from kpt.text.document import Document
    from kpt.text.sentences import split_sentences
    from kpt.text.vocabulary import Vocabulary
    from kpt.text.wordpiece import Ragged, WordPieceTokenizer

__all__ = [
    "Corpus",
    "Document",
    "DocumentationCorpus",
    "Ragged",
    "Vocabulary",
    "WordPieceTokenizer",
    "clean",
    "documentation",
    "split_sentences",
]

_HOMES = {
    "Corpus": "kpt.text.corpus",
    "Document": "kpt.text.document",
    "DocumentationCorpus": "kpt.text.docstrings",
    "Ragged": "kpt.text.wordpiece",
    "Vocabulary": "kpt.text.vocabulary",
    "WordPieceTokenizer": "kpt.text.wordpiece",
    "documentation": "kpt.text.docstrings",
    "split_sentences": "kpt.text.sentences",
}


def __getattr__(name: str) -> Any:
    """Import a public name on its first use (PEP 562)."""
    if name == "clean":
        return importlib.import_module("kpt.text.clean")
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'kpt.text' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the lazy names beside the loaded ones."""
    return sorted(set(globals()) | set(__all__))
