"""kpt (Keras Pre-Training): from raw text to a pre-trained, evaluated and served model on Keras 3.

Nothing is imported before it is used: `import kpt` loads no backend, and `kpt.Encoder` loads what an encoder needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kpt.lazy import lazy_names

if TYPE_CHECKING:
    from kpt import (
        data,
        distribution,
        evaluation,
        export,
        generation,
        interop,
        layers,
        models,
        objectives,
        serving,
        tasks,
        text,
        training,
        vectors,
    )
    from kpt.data import TokenStore
    from kpt.errors import InputError
    from kpt.generation import generate
    from kpt.models import Decoder, Encoder
    from kpt.objectives import Pretrainer, Word2Vec
    from kpt.tasks import Classifier, MultiTask, QuestionAnswerer, Regressor, Tagger
    from kpt.text import (
        BytePairTokenizer,
        CharacterTokenizer,
        Corpus,
        SentencePieceTokenizer,
        WordPieceTokenizer,
        WordTokenizer,
    )
    from kpt.training import GenerateSamples, load
    from kpt.vectors import WordVectors

__version__ = "0.1.0"

__all__ = [
    "BytePairTokenizer",
    "CharacterTokenizer",
    "Classifier",
    "Corpus",
    "Decoder",
    "Encoder",
    "GenerateSamples",
    "InputError",
    "MultiTask",
    "Pretrainer",
    "QuestionAnswerer",
    "Regressor",
    "SentencePieceTokenizer",
    "Tagger",
    "TokenStore",
    "Word2Vec",
    "WordPieceTokenizer",
    "WordTokenizer",
    "WordVectors",
    "__version__",
    "data",
    "distribution",
    "evaluation",
    "export",
    "generate",
    "generation",
    "interop",
    "layers",
    "load",
    "models",
    "objectives",
    "serving",
    "tasks",
    "text",
    "training",
    "vectors",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "data": "kpt.data",
        "distribution": "kpt.distribution",
        "evaluation": "kpt.evaluation",
        "export": "kpt.export",
        "generation": "kpt.generation",
        "interop": "kpt.interop",
        "layers": "kpt.layers",
        "load": "kpt.training",
        "models": "kpt.models",
        "objectives": "kpt.objectives",
        "serving": "kpt.serving",
        "tasks": "kpt.tasks",
        "text": "kpt.text",
        "training": "kpt.training",
        "BytePairTokenizer": "kpt.text",
        "CharacterTokenizer": "kpt.text",
        "vectors": "kpt.vectors",
        "Classifier": "kpt.tasks",
        "Corpus": "kpt.text",
        "Decoder": "kpt.models",
        "Encoder": "kpt.models",
        "GenerateSamples": "kpt.training",
        "InputError": "kpt.errors",
        "generate": "kpt.generation",
        "MultiTask": "kpt.tasks",
        "Pretrainer": "kpt.objectives",
        "QuestionAnswerer": "kpt.tasks",
        "Regressor": "kpt.tasks",
        "SentencePieceTokenizer": "kpt.text",
        "Tagger": "kpt.tasks",
        "TokenStore": "kpt.data",
        "Word2Vec": "kpt.objectives",
        "WordPieceTokenizer": "kpt.text",
        "WordVectors": "kpt.vectors",
        "WordTokenizer": "kpt.text",
    },
)
