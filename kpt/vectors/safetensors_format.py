"""Vectors as safetensors: one file that holds any words, and their counts, and runs no code.

Tensors of the file:

- `vectors` float32 [n, d],
- `words` uint8 [bytes]: the words in UTF-8, one after the other, with nothing between them,
- `word_ends` int64 [n]: where each word ends in `words`,
- `counts` int64 [n], where they are known.

The metadata has `format`: "kpt-word-vectors" and `version`: "1". Words are a tensor and not part of the metadata
because safetensors limits that to 100 MB and reads it whole.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from kpt.errors import InputError
from kpt.files import atomic_file
from kpt.vectors.word_vectors import WordVectors

__all__ = ["read_safetensors", "write_safetensors"]

FORMAT, VERSION = "kpt-word-vectors", "1"


def read_safetensors(path: str | os.PathLike[str]) -> WordVectors:
    """Read vectors from safetensors.

    Raises:
        InputError: the file is missing, damaged, no safetensors, or has other tensors than those above.
    """
    from safetensors import SafetensorError, safe_open

    source = os.fspath(path)
    if not Path(path).is_file():
        raise InputError(f"{source} is missing; give a file of vectors")
    try:
        with safe_open(source, framework="np") as file:
            metadata = file.metadata() or {}
            if (metadata.get("format"), metadata.get("version")) != (FORMAT, VERSION):
                raise InputError(f"{source} is safetensors, but not of word vectors; give what WordVectors.save wrote")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{source} is damaged or no safetensors ({error}); copy or write it again") from error
    _check(tensors, source)
    ends = tensors["word_ends"].tolist()
    text = tensors["words"].tobytes()
    try:
        words = [text[begin:end].decode("utf-8") for begin, end in zip([0, *ends[:-1]], ends, strict=True)]
        return WordVectors(words, tensors["vectors"], tensors.get("counts"))
    except ValueError as error:  # UnicodeDecodeError and InputError are such
        raise InputError(f"{source} is damaged ({error}); write it again") from error


def write_safetensors(vectors: WordVectors, path: str | os.PathLike[str]) -> None:
    """Write vectors as safetensors, complete or not at all.

    Raises:
        InputError: a word is no text (it has half of a surrogate pair), or the folder cannot be written.
    """
    from safetensors.numpy import save_file

    try:
        words = [word.encode("utf-8") for word in vectors.words]
    except UnicodeEncodeError as error:
        raise InputError(f"the word {error.object!r} is no text and has no UTF-8; give it another name") from error
    tensors = {
        "vectors": np.ascontiguousarray(vectors.vectors),
        "words": np.frombuffer(b"".join(words), np.uint8),
        "word_ends": np.cumsum([len(word) for word in words], dtype=np.int64),
    }
    if vectors.counts is not None:
        tensors["counts"] = vectors.counts
    with atomic_file(path) as temporary:
        save_file(tensors, temporary, metadata={"format": FORMAT, "version": VERSION})


def _check(tensors: dict[str, np.ndarray], source: str) -> None:
    types = {"vectors": np.float32, "words": np.uint8, "word_ends": np.int64, "counts": np.int64}
    for name, dtype in types.items():
        if name not in tensors and name != "counts":
            raise InputError(f"{source} lacks the tensor {name!r}; write it again")
        if name in tensors and (tensors[name].dtype != dtype or tensors[name].ndim != (2 if name == "vectors" else 1)):
            raise InputError(f"{source} has a tensor {name!r} of another type or shape; write it again")
    ends, size = tensors["word_ends"], len(tensors["words"])
    if not len(ends) or (np.diff(ends, prepend=0) < 1).any() or ends[-1] != size:
        raise InputError(f"{source} has words that do not end where word_ends says; write it again")
