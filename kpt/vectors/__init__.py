"""Vectors of words, or of any other symbols: what people ask of them, and the files they are kept in.

Nothing is imported before it is used; all of it needs numpy alone, and the safetensors format its package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kpt.lazy import lazy_names

if TYPE_CHECKING:
    from kpt.vectors.embedding import EmbeddingMatrix, embedding_matrix
    from kpt.vectors.files import load_vectors, save_vectors
    from kpt.vectors.latent_semantics import latent_semantic_vectors
    from kpt.vectors.nearest import nearest_rows
    from kpt.vectors.projection import principal_components
    from kpt.vectors.word_vectors import WordVectors

__all__ = [
    "EmbeddingMatrix",
    "WordVectors",
    "embedding_matrix",
    "latent_semantic_vectors",
    "load_vectors",
    "nearest_rows",
    "principal_components",
    "save_vectors",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "EmbeddingMatrix": "kpt.vectors.embedding",
        "WordVectors": "kpt.vectors.word_vectors",
        "embedding_matrix": "kpt.vectors.embedding",
        "latent_semantic_vectors": "kpt.vectors.latent_semantics",
        "load_vectors": "kpt.vectors.files",
        "nearest_rows": "kpt.vectors.nearest",
        "principal_components": "kpt.vectors.projection",
        "save_vectors": "kpt.vectors.files",
    },
)
