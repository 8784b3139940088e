"""kpt (Keras Pre-Training): from raw text to a pre-trained, evaluated and served model on Keras 3.

Nothing is imported before it is used: `import kpt` loads no backend, and `kpt.Encoder` loads what an encoder needs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kpt import data, evaluation, export, layers, models, objectives, text, training
    from kpt.data import TokenStore
    from kpt.errors import InputError
    from kpt.models import Encoder
    from kpt.objectives import Pretrainer
    from kpt.text import Corpus, WordPieceTokenizer

__version__ = "0.1.0"

__all__ = [
    "Corpus",
    "Encoder",
    "InputError",
    "Pretrainer",
    "TokenStore",
    "WordPieceTokenizer",
    "__version__",
    "data",
    "evaluation",
    "export",
    "layers",
    "models",
    "objectives",
    "text",
    "training",
]

_PACKAGES = frozenset({"data", "evaluation", "export", "layers", "models", "objectives", "text", "training"})
_HOMES = {
    "Corpus": "kpt.text",
    "Encoder": "kpt.models",
    "InputError": "kpt.errors",
    "Pretrainer": "kpt.objectives",
    "TokenStore": "kpt.data",
    "WordPieceTokenizer": "kpt.text",
}


def __getattr__(name: str) -> Any:
    """Import a public name on its first use (PEP 562)."""
    if name in _PACKAGES:
        return importlib.import_module(f"kpt.{name}")
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'kpt' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the lazy names beside the loaded ones."""
    return sorted(set(globals()) | set(__all__))
