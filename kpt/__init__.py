"""kpt (Keras Pre-Training): from raw text to a pre-trained, evaluated and served model on Keras 3.

Nothing is imported before it is used: `import kpt` loads no backend, and `kpt.Encoder` loads what an encoder needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kpt.lazy import lazy_names

if TYPE_CHECKING:
    from kpt import data, export, layers, models, objectives, text, training
    from kpt.data import TokenStore
    from kpt.errors import InputError
    from kpt.models import Encoder
    from kpt.objectives import Pretrainer, Word2Vec
    from kpt.text import Corpus, WordPieceTokenizer, WordTokenizer

__version__ = "0.1.0"

__all__ = [
    "Corpus",
    "Encoder",
    "InputError",
    "Pretrainer",
    "TokenStore",
    "Word2Vec",
    "WordPieceTokenizer",
    "WordTokenizer",
    "__version__",
    "data",
    "export",
    "layers",
    "models",
    "objectives",
    "text",
    "training",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "data": "kpt.data",
        "export": "kpt.export",
        "layers": "kpt.layers",
        "models": "kpt.models",
        "objectives": "kpt.objectives",
        "text": "kpt.text",
        "training": "kpt.training",
        "Corpus": "kpt.text",
        "Encoder": "kpt.models",
        "InputError": "kpt.errors",
        "Pretrainer": "kpt.objectives",
        "TokenStore": "kpt.data",
        "Word2Vec": "kpt.objectives",
        "WordPieceTokenizer": "kpt.text",
        "WordTokenizer": "kpt.text",
    },
)
