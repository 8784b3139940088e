"""Named sizes of encoders."""

from __future__ import annotations

import difflib
from typing import Any

from kpt.errors import InputError

__all__ = ["SIZES", "bert_config", "encoder_config"]

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
    if size not in SIZES:
        near = difflib.get_close_matches(size, SIZES, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(f"There is no size {size!r}: choose one of {', '.join(SIZES)}{hint}")
    depth, width = SIZES[size]
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
