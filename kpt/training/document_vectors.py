"""What a pre-training leaves beside its model: vectors of tokens by the documents that they occur in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from kpt.data import TokenStore
from kpt.errors import InputError
from kpt.files import atomic_file
from kpt.text import Tokenizer
from kpt.training.pretraining_data import Part
from kpt.vectors import latent_semantic_vectors

__all__ = ["FILE", "document_counts", "leave_document_vectors", "read_document_vectors"]

#: The file of a run folder.
FILE, FORMAT = "document_vectors.safetensors", "kpt-document-vectors"
#: Tokens of a document at most, so that a book is not one; and documents at most, which are enough for a vocabulary.
TOKENS, DOCUMENTS = 1024, 20_000


def document_counts(store: TokenStore, tokens: int = TOKENS, documents: int = DOCUMENTS) -> Any:
    """Return how often each document has each token, of documents spread evenly over a store.

    A document of more than one and a half times `tokens` tokens is divided into parts of about as many, which count as
    documents.

    Args:
        store: the documents.
        tokens: of a part.
        documents: or parts, at most.

    Returns:
        A `scipy.sparse` matrix [documents, vocabulary].
    """
    from scipy import sparse

    starts, stops = store.document_spans(np.arange(store.documents))
    parts = np.maximum(1, np.rint((stops - starts) / tokens).astype(np.int64))
    ends = np.cumsum(parts)
    total = int(ends[-1]) if len(ends) else 0
    chosen = np.unique(np.linspace(0, max(total - 1, 0), min(total, documents)).astype(np.int64))
    rows, columns, values = [], [], []
    for row, number in enumerate(chosen):
        document = int(np.searchsorted(ends, number, side="right"))
        part, size = number - (ends[document] - parts[document]), stops[document] - starts[document]
        begin, end = (starts[document] + size * at // parts[document] for at in (part, part + 1))
        ids = np.zeros((1, int(end - begin)), np.int32)
        store.copy_tokens(ids, 0, np.array([begin]), np.array([end - begin]))
        found, times = np.unique(ids, return_counts=True)
        rows.append(np.full(len(found), row))
        columns.append(found)
        values.append(times)
    shape = (len(chosen), store.vocabulary.size)
    if not rows:
        return sparse.csr_matrix(shape)
    return sparse.csr_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=shape)


def leave_document_vectors(folder: str | os.PathLike[str], documents: Part, width: int) -> None:
    """Write `document_vectors.safetensors` into a run folder, see `kpt.vectors.latent_semantic_vectors`.

    One that is there stays. Masked records have no documents to learn from.

    Args:
        folder: the run's.
        documents: to learn from.
        width: numbers of a vector at most; 0 for no file.
    """
    from safetensors.numpy import save_file

    if not width or not isinstance(documents, TokenStore) or (Path(folder) / FILE).is_file():
        return
    vectors = latent_semantic_vectors(document_counts(documents), width)
    with atomic_file(Path(folder) / FILE) as path:
        save_file({"vectors": vectors}, path, {"format": FORMAT, "tokenizer": documents.tokenizer_fingerprint})


def read_document_vectors(folder: str | os.PathLike[str], tokenizer: Tokenizer) -> np.ndarray | None:
    """Return the vectors of a run folder, float32 [vocabulary, width]; None where it has none.

    Raises:
        InputError: the file is damaged, or of another tokenizer.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(folder) / FILE
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="np") as file:
            metadata, vectors = file.metadata() or {}, file.get_tensor("vectors")
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is damaged ({error}); copy the run again, or remove the file") from error
    shape = vectors.shape
    if metadata.get("format") != FORMAT or len(shape) != 2 or shape[0] != tokenizer.vocabulary.size or shape[1] < 1:
        raise InputError(f"{path} has no vectors of the model's vocabulary; copy the run again, or remove the file")
    if metadata.get("tokenizer") != tokenizer.fingerprint:
        raise InputError(f"{path} is of another tokenizer than the run's; copy the run again, or remove the file")
    return vectors
