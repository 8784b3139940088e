"""Going on with a pre-trained model on other text: its architecture, its weights, and rows for new vocabulary."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import keras
import numpy as np

from kpt.errors import InputError
from kpt.models import Decoder, Encoder
from kpt.objectives import Pretrainer
from kpt.text import Tokenizer
from kpt.training.settings import PretrainSettings
from kpt.training.sources import load

__all__ = ["Beginning", "adapted", "check_tokenizer", "grown", "open_beginning", "take_weights"]

Settings = TypeVar("Settings", bound=PretrainSettings)

#: Models of this width and above are published ones, trained on far more text than a domain has.
BASE_WIDTH = 768
#: The peak of the learning rate for these, and the share of a new model's for others.
BASE_RATE, SHARE = 5e-5, 0.3


class Beginning(NamedTuple):
    """What a pre-training begins with.

    Attributes:
        source: its name.
        model: a `Pretrainer`, a task model or a bare backbone.
        tokenizer: that it was trained with.
    """

    source: str
    model: Any
    tokenizer: Tokenizer

    @property
    def backbone(self) -> Any:
        """The `Encoder` or `Decoder`."""
        return getattr(self.model, "backbone", self.model)


def open_beginning(source: str | os.PathLike[str], kind: type[Encoder] | type[Decoder]) -> Beginning:
    """Return what to go on with.

    Args:
        source: a run folder, a Hugging Face folder, a KerasHub preset's or `hf://OWNER/MODEL`, see `kpt.load`.
        kind: what its backbone has to be.

    Raises:
        InputError: it is none of these, or has another backbone.
    """
    beginning = Beginning(os.fspath(source), *load(source))
    if not isinstance(beginning.backbone, kind):
        name = type(beginning.backbone).__name__
        others = {Encoder: "`kpt pretrain bert`", Decoder: "`kpt pretrain gpt`"}
        raise InputError(f"{source} has a model of the kind {name}, not {kind.__name__}; give one of {others[kind]}")
    return beginning


def adapted(settings: Settings, beginning: Beginning) -> Settings:
    """Return settings for going on with a model: its architecture in place of a size, and a lower learning rate.

    Without a rate in the settings the peak is 5e-5 for models of the base size and above (Devlin et al. 2018, appendix
    A.3), and three tenths of that of a new model for smaller ones.

    Args:
        settings: of the run.
        beginning: the model.

    Raises:
        InputError: the length is over the model's positions.
    """
    arguments = {name: value for name, value in beginning.backbone.arguments.items() if name != "vocabulary_size"}
    modern = arguments.get("positions") == "rotary"
    settings = replace(settings, backbone=arguments, architecture="modern" if modern else "published")
    if settings.learning_rate is not None:
        return settings
    rate = BASE_RATE if arguments["width"] >= BASE_WIDTH else SHARE * settings.peak
    return replace(settings, learning_rate=rate)


def check_tokenizer(tokenizer: Tokenizer, data: str, beginning: Beginning) -> None:
    """Make sure that a model can go on with data: those of its own tokenizer, or of one that extends it.

    Args:
        tokenizer: of the data.
        data: their name.
        beginning: the model.

    Raises:
        InputError: they are of another tokenizer.
    """
    old = beginning.tokenizer
    same = type(tokenizer) is type(old) and tokenizer.options == old.options
    words, before = tokenizer.vocabulary, old.vocabulary
    if not (same and words.tokens[: before.size] == before.tokens and words.roles == before.roles):
        raise InputError(
            f"{data} was written with another tokenizer ({tokenizer.fingerprint[:12]}) than that of "
            f"{beginning.source} ({old.fingerprint[:12]}); prepare the text with its tokenizer, or with what "
            "`kpt tokenizer --extend` makes of it"
        )


def take_weights(model: Pretrainer, beginning: Beginning, tokenizer: Tokenizer) -> int:
    """Give a new model the weights of one that was trained; those of heads too where it has the same.

    The vector of a new piece is the mean of the vectors of the pieces that its text had before, and so is its bias.

    Args:
        model: of the same architecture, with a vocabulary as large or larger.
        beginning: the model that was trained.
        tokenizer: of the new one, see `check_tokenizer`.

    Returns:
        How many vocabulary entries are new.
    """
    size, old = beginning.tokenizer.vocabulary.size, beginning.tokenizer
    fresh = [tokenizer.decode([piece]) for piece in range(size, tokenizer.vocabulary.size)]
    encoded = old.encode(fresh)
    pieces = [encoded.row(row) for row in range(len(fresh))]
    _assign(model.backbone, beginning.backbone, pieces, size)
    heads = {each.name: each for each in getattr(beginning.model, "objectives", ())}
    for objective in model.objectives:
        trained = heads.get(objective.name)
        if trained is not None and len(trained.weights) == len(objective.weights):
            _assign(objective, trained, pieces, size)
    return len(fresh)


def grown(table: np.ndarray, pieces: Sequence[np.ndarray]) -> np.ndarray:
    r"""Return a table with a row more for each new piece, the mean of the rows of its old pieces.

    .. math:: e_w = \tfrac1{k} \sum_{i=1}^k e_{p_i}

    Args:
        table: [old size, ...].
        pieces: for each new piece the ids of its old ones; where there are none, it gets the mean of all rows.

    Returns:
        [old size + new pieces, ...], in the dtype of the table.

    Example:
        >>> grown(np.array([[1.0, 2.0], [3.0, 6.0]]), [np.array([0, 1])]).tolist()
        [[1.0, 2.0], [3.0, 6.0], [2.0, 4.0]]

    Source: Hewitt 2021, "Initializing New Word Embeddings for Pretrained Language Models".
    """
    if not len(pieces):
        return table
    rows = [table[ids].mean(axis=0) if len(ids) else table.mean(axis=0) for ids in pieces]
    return np.concatenate([table, np.stack(rows).astype(table.dtype)])


def _assign(new: Any, trained: Any, pieces: Sequence[np.ndarray], size: int) -> None:
    """Give each weight of a model the values of its like; the axis of the vocabulary grows."""
    for weight, like in zip(new.weights, trained.weights, strict=True):
        values = np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(like, "float32")))
        if tuple(weight.shape) != values.shape:
            axis = values.shape.index(size)  # of an output of its own the last one
            values = np.moveaxis(grown(np.moveaxis(values, axis, 0), pieces), 0, axis)
        weight.assign(values)
