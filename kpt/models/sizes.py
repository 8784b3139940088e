"""Named sizes of encoders and decoders."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from kpt.errors import InputError

__all__ = ["GPT2_SIZES", "SIZES", "bert_config", "decoder_config", "encoder_config", "gpt2_config"]

# depth, width; heads have 64 values each and feed-forward networks four times the width.
# Source: google-research/bert (base, large) and Turc et al. 2019, "Well-Read Students Learn Better" (the others).
SIZES = {
    "tiny": (2, 128),
    "mini": (4, 256),
    "small": (4, 512),
    "medium": (8, 512),
    "base": (12, 768),
    "large": (24, 1024),
}

# The same of decoders. Source: openai/gpt-2; tiny and mini are BERT's.
GPT2_SIZES = {
    "tiny": (2, 128),
    "mini": (4, 256),
    "small": (12, 768),
    "medium": (24, 1024),
    "large": (36, 1280),
    "xl": (48, 1600),
}


def named(size: str, sizes: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
    """Return what a table has under a name.

    Raises:
        InputError: If it has no such name.
    """
    if size not in sizes:
        near = difflib.get_close_matches(size, sizes, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(f"There is no size {size!r}: choose one of {', '.join(sizes)}{hint}")
    return sizes[size]


def bert_config(size: str) -> dict[str, Any]:
    """Return the arguments of `Encoder` for a published BERT: post-norm, learned positions, dropout 0.1.

    Args:
        size: `"tiny"`, `"mini"`, `"small"`, `"medium"`, `"base"` or `"large"`.

    Returns:
        Arguments of `Encoder` without the vocabulary's size.

    Raises:
        InputError: If there is no such size.

    Example:
        >>> bert_config("tiny")["width"]
        128

    Source: Devlin et al. 2018; Turc et al. 2019.
    """
    depth, width = named(size, SIZES)
    return {"depth": depth, "width": width, "heads": width // 64}


def encoder_config(size: str) -> dict[str, Any]:
    """Return the arguments of `Encoder` for the recipe that learns best from small corpora.

    It differs from `bert_config` of the same size in five ways. Token embeddings are multiplied by the root of the
    width, and there are no segment embeddings: a vector that all tokens share learns so fast that it drowns small
    token embeddings within the first hundred steps, and the model then stays with the tokens' frequencies. Positions
    are rotary, so they add nothing to the embeddings either. The normalization stands before each part of a block.
    There is no dropout. `benchmarks/pretraining.py` measures what this buys.

    Args:
        size: As in `bert_config`.

    Returns:
        Arguments of `Encoder` without the vocabulary's size.

    Raises:
        InputError: If there is no such size.

    Source: Su et al. 2021 (rotary positions), Xiong et al. 2020 (pre-norm), Geiping and Goldstein 2022, "Cramming"
    (no dropout in a short run).
    """
    return {
        **bert_config(size),
        "positions": "rotary",
        "scale_embedding": True,
        "segments": 0,
        "norm_first": True,
        "dropout": 0.0,
        "epsilon": 1e-6,
    }


def gpt2_config(size: str) -> dict[str, Any]:
    """Return the arguments of `Decoder` for a published GPT-2, or for a smaller one of its kind.

    Args:
        size: `"tiny"`, `"mini"`, `"small"` (124 million parameters), `"medium"` (355), `"large"` (774) or `"xl"`
            (1,558).

    Returns:
        Arguments of `Decoder` without the vocabulary's size, which GPT-2 has at 50,257.

    Raises:
        InputError: If there is no such size.

    Example:
        >>> gpt2_config("small")["width"]
        768

    Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", table 2.
    """
    depth, width = named(size, GPT2_SIZES)
    return {"depth": depth, "width": width, "heads": width // 64}


def decoder_config(size: str) -> dict[str, Any]:
    r"""Return the arguments of `Decoder` for the recipe that learns best from small corpora.

    It differs from `gpt2_config` of the same size in these. Initial weights have the deviation
    :math:`\sqrt{2 / (5 \cdot width)}`, several times GPT-2's where a model is narrow: of all that is listed here this
    buys the most. Positions are rotary, token embeddings are multiplied by the root of the width, the normalization is
    RMS norm, the activation is the square of ReLU, and there are no biases and no dropout.
    `kpt.training.decoder_optimizer` goes with it, whose learning rate is several times GPT-2's.
    `benchmarks/nanogpt.py` measures what this buys.

    Args:
        size: As in `gpt2_config`.

    Returns:
        Arguments of `Decoder` without the vocabulary's size.

    Raises:
        InputError: If there is no such size.

    Source: Nguyen and Salazar 2019, "Transformers without Tears" (small initial weights); Su et al. 2021 (rotary
    positions); Zhang and Sennrich 2019 (RMS norm); So et al. 2021, "Primer" (squared ReLU).
    """
    config = gpt2_config(size)
    return {
        **config,
        "initial_deviation": round((0.4 / config["width"]) ** 0.5, 4),
        "positions": "rotary",
        "normalization": "rms_norm",
        "activation": "squared_relu",
        "scale_embedding": True,
        "dropout": 0.0,
        "use_bias": False,
        "epsilon": 1e-6,
    }
