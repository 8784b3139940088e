"""Files of vectors: which format one has, and one function to read and one to write them all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from kpt.errors import InputError
from kpt.vectors.binary_format import read_binary, write_binary
from kpt.vectors.projector import write_projector
from kpt.vectors.rows import read_header
from kpt.vectors.safetensors_format import read_safetensors, write_safetensors
from kpt.vectors.streams import open_for_reading
from kpt.vectors.text_format import parse_row, read_text, write_text
from kpt.vectors.word_vectors import WordVectors

__all__ = ["FORMATS", "file_format", "load_vectors", "save_vectors"]

#: What reads each format of a file.
FORMATS: dict[str, Callable[[str | os.PathLike[str]], WordVectors]] = {
    "text": read_text,
    "binary": read_binary,
    "safetensors": read_safetensors,
}
_ENDINGS = {".txt": "text", ".vec": "text", ".bin": "binary", ".safetensors": "safetensors"}
_SAMPLE = 1 << 20


def load_vectors(path: str | os.PathLike[str], format: str | None = None) -> WordVectors:
    """Read word vectors from a file of word2vec, gensim, fastText (`.vec`), GloVe or kpt.

    What is odd in the words is settled by two rules, and counted in the `problems` of what is returned:

    ================  ====================================================================================
    `duplicate`       words that came before, passed over: the first vector counts, as in gensim
    `invalid_utf8`    words with invalid bytes, each sequence of which is replaced by U+FFFD
    ================  ====================================================================================

    All else that does not fit is an error: another number of words than the first line says, a file that ends early,
    a line with another number of values (a word with a space looks so), an empty word, a value that is not finite.

    Args:
        path: the file; text and binary may be gzip.
        format: "text", "binary" or "safetensors"; by default told by the name (.txt, .vec, .bin, .safetensors, each
            but the last also with .gz), and for another name by the beginning of the file.

    Raises:
        InputError: as said above; or the file is missing, or of a kind that runs code when it is loaded (a pickle).

    Example:
        >>> WordVectors(["cat", "car"], [[1, 0], [0, 1]]).save("vectors.bin")
        >>> load_vectors("vectors.bin").most_similar("cat")
        [('car', 0.0)]
    """
    if format is None:
        format = file_format(path)
    if format not in FORMATS:
        raise InputError(f"format is {format!r}; choose one of {', '.join(FORMATS)}")
    return FORMATS[format](path)


def save_vectors(
    vectors: WordVectors,
    path: str | os.PathLike[str],
    format: str | None = None,
    *,
    space: str | None = None,
) -> None:
    """Write word vectors to a file, or as a folder for TensorBoard, complete or not at all.

    Args:
        vectors: what to write, in its order.
        path: the file; one that is there is replaced. Text and binary are compressed where the name ends in `.gz`.
        format: "text" or "binary" (word2vec's), "safetensors" (the only one with counts and with words of any
            characters) or "projector" (a new folder for TensorBoard); by default told by the name: .txt and .vec are
            text, .bin binary, .safetensors itself.
        space: what to write for white space in words, such as "_", where the format cannot hold it; None refuses
            such words.

    Raises:
        InputError: the format is unknown, a word does not fit it, or the folder cannot be written.
    """
    if format is None:
        format = _format_by_name(path)
    if format == "text":
        write_text(vectors, path, space=space)
    elif format == "binary":
        write_binary(vectors, path, space=space)
    elif format == "safetensors":
        write_safetensors(vectors, path)
    elif format == "projector":
        write_projector(vectors, path, space=space)
    elif format is None:
        raise InputError(f"{path} does not say its format; end it in {', '.join(_ENDINGS)}, or give the format")
    else:
        raise InputError(f"format is {format!r}; choose one of {', '.join(FORMATS)}, projector")


def file_format(path: str | os.PathLike[str]) -> str:
    """Tell the format of a file from its name, or else from its beginning."""
    named = _format_by_name(path)
    if named is not None:
        return named
    with open_for_reading(path) as stream:
        beginning = stream.read(_SAMPLE)
    if beginning[8:9] == b"{" and b'"dtype"' in beginning:
        return "safetensors"
    first, _, rest = beginning.partition(b"\n")
    header = read_header(first)
    line = rest.partition(b"\n")[0] if header else first
    try:
        parse_row(line, header[1] if header else None, os.fspath(path))
    except InputError:
        return "binary"
    return "text"


def _format_by_name(path: str | os.PathLike[str]) -> str | None:
    return _ENDINGS.get(Path(Path(path).name.lower().removesuffix(".gz")).suffix)
