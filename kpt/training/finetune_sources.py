"""What a fine-tuning begins with: a model that was trained, or one that was not."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

from kpt.distribution import in_scope
from kpt.errors import InputError
from kpt.models import Decoder, Encoder, encoder_config
from kpt.text import Tokenizer, load_tokenizer
from kpt.training.document_vectors import read_document_vectors
from kpt.training.finetune_settings import FinetuneSettings
from kpt.training.sources import open_source

__all__ = ["Source", "new_source", "trained_source"]


class Source(NamedTuple):
    """What is fine-tuned.

    Attributes:
        backbone: makes the model below the head, a new one with each call; called after the random numbers are seeded.
        tokenizer: the tokenizer it was, or will be, trained with.
        note: what `config.json` says of it.
        document_vectors: of its tokens, float32 [vocabulary, width], see `kpt.training.document_vectors`; or None.
    """

    backbone: Callable[[FinetuneSettings], keras.Model]
    tokenizer: Tokenizer
    note: dict[str, Any]
    document_vectors: np.ndarray | None = None


def trained_source(source: str | os.PathLike[str]) -> Source:
    """Return a pre-trained or a tuned model without its heads.

    Args:
        source: a run folder, a Hugging Face folder, or `hf://OWNER/MODEL`, see `kpt.load`.

    Raises:
        InputError: it is none of these, has no checkpoint, or has a model of another kind.
    """
    folder = open_source(source)
    model = folder.load(compile=False)
    if not isinstance(getattr(model, "backbone", model), Encoder | Decoder):
        raise InputError(f"{folder.path} has no encoder and no decoder; give a run of `kpt pretrain bert` or `gpt`")
    loaded = [model]

    def backbone(settings: FinetuneSettings) -> Any:
        model = loaded.pop() if loaded else folder.load(compile=False)  # the one before is tuned by now
        return in_scope(getattr(model, "backbone", model))

    note = {"from": str(source), "from_step": folder.step}
    return Source(backbone, folder.tokenizer, note, read_document_vectors(folder.path, folder.tokenizer))


def new_source(size: str, tokenizer: str | os.PathLike[str]) -> Source:
    """Return an encoder that was not trained, to see what pre-training buys.

    Args:
        size: its size, see `kpt.models.encoder_config`.
        tokenizer: folder of the tokenizer.

    Raises:
        InputError: there is no such size, or no tokenizer.
    """
    config, loaded = encoder_config(size), load_tokenizer(tokenizer)
    return Source(
        lambda settings: Encoder(loaded.vocabulary.size, **config, dtype=settings.precision),
        loaded,
        {"from": "scratch", "size": size},
    )
