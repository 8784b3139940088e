"""Vectors as a folder that TensorBoard's projector shows: `tensorboard --logdir FOLDER`."""

from __future__ import annotations

import os
from pathlib import Path

from kpt.errors import InputError
from kpt.files import atomic_folder
from kpt.vectors.rows import written_words
from kpt.vectors.word_vectors import WordVectors

__all__ = ["write_projector"]

CONFIG = """\
embeddings {{
  tensor_name: "word_vectors"
  tensor_shape: {words}
  tensor_shape: {dimensions}
  tensor_path: "tensors.tsv"
  metadata_path: "metadata.tsv"
}}
"""


def write_projector(
    vectors: WordVectors,
    folder: str | os.PathLike[str],
    *,
    count: int | None = None,
    space: str | None = None,
    overwrite: bool = False,
) -> Path:
    r"""Write `tensors.tsv`, `metadata.tsv` and `projector_config.pbtxt`, all of them or none.

    `tensors.tsv` has the values of a vector a line, with tabs between them. `metadata.tsv` has the words, a line each;
    where counts are known they are a second column, and the file has a line of names, as TensorBoard asks for then.
    projector.tensorflow.org loads the two tables as well.

    Args:
        vectors: what to write.
        folder: the folder; it must be empty or missing.
        count: the first (most frequent) so many words alone. The projector is at ease with some ten thousand.
        space: what to write for white space in words; None refuses words that have some.
        overwrite: replace what is in the folder.

    Returns:
        The folder.

    Raises:
        InputError: `count` is not positive, see `kpt.vectors.rows.written_words`, or the folder holds something.
    """
    if count is not None and count < 1:
        raise InputError(f"count is {count}; give 1 or more words")
    size = len(vectors) if count is None else min(count, len(vectors))
    kept = WordVectors(
        vectors.words[:size], vectors.vectors[:size], None if vectors.counts is None else vectors.counts[:size]
    )
    row_format = "\t".join(["%.9g"] * kept.dimensions) + "\n"
    with atomic_folder(folder, overwrite=overwrite) as temporary:
        with (temporary / "metadata.tsv").open("wb") as file:
            if kept.counts is None:
                file.writelines(word + b"\n" for word in written_words(kept, space))
            else:
                file.write(b"word\tcount\n")
                pairs = zip(written_words(kept, space), kept.counts.tolist(), strict=True)
                file.writelines(b"%b\t%d\n" % pair for pair in pairs)
        with (temporary / "tensors.tsv").open("w", encoding="ascii") as table:
            table.writelines(row_format % tuple(vector.tolist()) for vector in kept.vectors)
        config = CONFIG.format(words=size, dimensions=kept.dimensions)
        (temporary / "projector_config.pbtxt").write_text(config, encoding="ascii")
    return Path(folder)
