"""Encoders as folders of sentence-transformers: a text becomes one vector."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from kpt.errors import InputError
from kpt.files import atomic_folder, write_json
from kpt.interop.hugging_face import write_hugging_face
from kpt.interop.tokenizer_files import set_marks
from kpt.models import Encoder
from kpt.tasks import TaskModel, refuse_several
from kpt.text import Tokenizer

__all__ = ["write_sentence_transformers"]

#: Our poolings by their names there.
POOLINGS = {"mean": "pooling_mode_mean_tokens", "first": "pooling_mode_cls_token"}
#: Names of their modules that every version knows.
MODULES = (("", "sentence_transformers.models.Transformer"), ("1_Pooling", "sentence_transformers.models.Pooling"))


def write_sentence_transformers(
    model: Any,
    tokenizer: Tokenizer,
    folder: str | os.PathLike[str],
    *,
    length: int | None = None,
    overwrite: bool = False,
) -> Path:
    r"""Write an encoder as a folder that `sentence_transformers.SentenceTransformer` loads with no code beside it.

    The vector of a text is the mean of its tokens' vectors, [CLS] and [SEP] included, or of a model that was tuned with
    the pooling `"first"` the vector of [CLS]:

    .. math:: \mathrm{mean} = \sum_t m_t h_t / \sum_t m_t

    with m the padding mask. A text over the length loses its end. All text is plain text, also that of `[MASK]` (of
    SentencePiece see `save` of its tokenizer). The transformer itself is that of `write_hugging_face`, so
    `transformers` loads the folder too.

    Args:
        model: An `Encoder`, or a `Pretrainer`, `Classifier` or `Regressor` of one; heads are left behind.
        tokenizer: The one it was trained with.
        folder: It may exist if it is empty.
        length: Tokens of a text at most, special tokens included; by default that of a tuned model, or the positions.
        overwrite: Whether to replace what is in it.

    Returns:
        The folder, which is written completely or not at all.

    Raises:
        InputError: It is no encoder or has several tasks, its pooling has no form there, the length is not within its
            positions, or as in `write_hugging_face`.

    Example:
        >>> kpt.interop.write_sentence_transformers(model, tokenizer, "sentences")  # doctest: +SKIP
        PosixPath('sentences')
    """
    refuse_several(model)
    backbone = getattr(model, "backbone", model)
    if not isinstance(backbone, Encoder):
        kind = type(backbone).__name__
        raise InputError(f"a {kind} has no form of sentence-transformers'; give an Encoder, or a model of one")
    pooling, longest = "mean", backbone.maximum_length
    if isinstance(model, TaskModel):
        if model.pooling not in POOLINGS:
            raise InputError(
                f"the model has the pooling {model.pooling!r}, which sentence-transformers has not; "
                "fine-tune with --pooling mean or first"
            )
        pooling, length = model.pooling, model.length if length is None else length
    length = longest if length is None else length
    if not 3 <= length <= longest:
        raise InputError(f"length is {length}; give at least 3 and at most the model's {longest}")
    with atomic_folder(folder, overwrite=overwrite) as temporary:
        inner = write_hugging_face(backbone, tokenizer, temporary / "transformer")
        for file in inner.iterdir():
            file.rename(temporary / file.name)
        inner.rmdir()
        set_marks(temporary, tokenizer, length)
        modules = [
            {"idx": number, "name": str(number), "path": path, "type": kind}
            for number, (path, kind) in enumerate(MODULES)
        ]
        write_json(temporary / "modules.json", modules)
        write_json(temporary / "sentence_bert_config.json", {"max_seq_length": length, "do_lower_case": False})
        settings: dict[str, Any] = {"similarity_fn_name": "cosine", "prompts": {}, "default_prompt_name": None}
        write_json(temporary / "config_sentence_transformers.json", settings)
        (temporary / MODULES[1][0]).mkdir()
        config = {"word_embedding_dimension": backbone.width}
        config |= {name: each == pooling for each, name in POOLINGS.items()}
        write_json(temporary / MODULES[1][0] / "config.json", config)
    return Path(folder)
