"""Word vectors as a TensorFlow SavedModel that takes words."""

from __future__ import annotations

import os
from pathlib import Path

from kpt.errors import InputError
from kpt.export.versions import check_installed, version_folder
from kpt.files import atomic_folder
from kpt.vectors import WordVectors

__all__ = ["export_word_vectors"]

#: TensorFlow's reader of lines would take these out of a word.
_LINE_ENDS = "\n\r"


def export_word_vectors(vectors: WordVectors, folder: str | os.PathLike[str], version: int | None = None) -> Path:
    """Write word vectors as the next version in a folder that TensorFlow Serving serves.

    To be loaded the SavedModel needs tensorflow alone. The version appears complete or not at all, and none is ever
    replaced. The words are a file in it, `assets/words.txt`. Signatures, each for any number of words n:

    - `serving_default`: `words` string [n] to `vectors` float32 [n, d], zeros for a word that is not there, and
      `in_vocabulary` bool [n].
    - `nearest`: `words` string [n] and `k` int32 [] to `neighbours` string [n, k], the other words of the highest
      cosine, highest first, and `similarities` float32 [n, k]; "" and 0 for a word that is not there. k counts as the
      number of other words where it is more.

    A word is looked up as it is; where the vectors are of lower-case words, give lower case.

    Args:
        vectors: the words and vectors.
        folder: the model's folder, such as `saved_models/words`; made if it is missing.
        version: number of the version; by default 1 more than the highest.

    Returns:
        The path of the version's folder. `assets.extra/kpt.json` in it says what was exported.

    Raises:
        InputError: there are fewer than two words, one of them has a line end in it or is no Unicode text, the version
            exists, the folder cannot be written, or TensorFlow is not installed.

    Example:
        >>> vectors = WordVectors(["cat", "dog", "car"], [[1, 0], [0.9, 0.1], [0, 1]])
        >>> export_word_vectors(vectors, "saved_models/words")  # doctest: +SKIP
        PosixPath('saved_models/words/1')
    """
    content = words_file(vectors)
    check_installed("tensorflow")
    target = version_folder(folder, version)

    import tensorflow as tf

    from kpt.export.serving_files import write_serving_files
    from kpt.export.word_signatures import ServedWords

    with atomic_folder(target) as temporary:
        source = temporary / "words.txt"
        source.write_bytes(content)
        served = ServedWords(source, vectors.vectors)
        tf.saved_model.save(served, os.fspath(temporary), signatures=served.functions)
        source.unlink()
        notes = {"words": len(vectors), "dimensions": vectors.dimensions}
        words = {"words": [*vectors.words[:7], "a word that is not there"]}
        write_serving_files(temporary, target.absolute().parent.name, served.functions, notes, words)
    return target


def words_file(vectors: WordVectors) -> bytes:
    r"""Return the words, a line each, in UTF-8.

    Example:
        >>> words_file(WordVectors(["New York", "cat"], [[1], [2]]))
        b'New York\ncat\n'
    """
    if len(vectors) < 2:
        raise InputError(f"there is {len(vectors)} word, which has no neighbour; export two or more")
    for word in vectors.words:
        if any(character in word for character in _LINE_ENDS):
            raise InputError(f"the word {word!r} has a line end in it, and the words are lines; leave it out")
    try:
        return "".join(f"{word}\n" for word in vectors.words).encode()
    except UnicodeEncodeError as error:
        raise InputError(f"a word is no Unicode text ({error.reason}); leave it out") from error
