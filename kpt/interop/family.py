"""What a family of models is: the names of its settings and of its tensors in the folders of Hugging Face.

A family is a table, read in both directions by `kpt.interop.settings` and `kpt.interop.weights`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["REQUIRED", "Family", "Task", "of_blocks", "of_objectives"]

#: Stands for the default of a setting that a config.json must have.
REQUIRED = object()


@dataclass(frozen=True)
class Task:
    """How a family tells something of texts.

    Attributes:
        architecture: The class in `transformers`.
        tensors: Those of the head, under `head`, and those of the pooler before it where it is not the backbone's own;
            without prefix.
        pooler: Activation of the pooler that the head stands on; `None` where it stands on the sequence itself.
        bias: Whether the head has one.
    """

    architecture: str
    tensors: Mapping[str, tuple[str, ...]]
    pooler: str | None = None
    bias: bool = True


@dataclass(frozen=True, kw_only=True)
class Family:
    """What one `model_type` is called, in its config.json and in its tensors.

    Attributes:
        model_type: The name in config.json.
        title: The name in messages.
        backbone: `"encoder"` or `"decoder"`.
        settings: Argument of the backbone to its key in config.json, and what counts where the key is missing.
        fixed: Arguments of the backbone that every model of the family has so.
        also: Further keys of config.json that are written: the argument whose value each has.
        demands: Keys of config.json with the one value that the backbone can have; a missing key counts as it.
        prefix: What tensors of the backbone begin with where the checkpoint has heads.
        tensors: Part of our model to the tensors of that part, without `.weight` or `.bias`; several are joined along
            their outputs. `{i}` is the number of a block.
        heads: The same of each objective's head, without prefix.
        transposed: Whether kernels are `[outputs, inputs]` there.
        architectures: The class in `transformers` for each set of objectives.
        tasks: The tasks that it has classes for: `sequence_classification`, `token_classification` and
            `question_answering`.
        projects_always: Whether embeddings go through a projection even where their width is that of the blocks.
        position_offset: Rows of the table of positions before that of the first token.
        tokenizer_class: The tokenizer's class in `transformers`, where its own name is not what the family needs.
        unread: Gives for a backbone's arguments the tensors of the class that are no weights of ours, without prefix.
        left_out: Tensors that say nothing that the others do not: ends of their names.
    """

    model_type: str
    title: str
    backbone: str
    settings: Mapping[str, tuple[str, Any]]
    fixed: Mapping[str, Any]
    also: Mapping[str, str] = field(default_factory=dict)
    demands: Mapping[str, Any] = field(default_factory=dict)
    prefix: str
    tensors: Mapping[str, tuple[str, ...]]
    heads: Mapping[str, Mapping[str, tuple[str, ...]]]
    transposed: bool = True
    architectures: Mapping[frozenset[str], str]
    tasks: Mapping[str, Task] = field(default_factory=dict)
    projects_always: bool = True
    position_offset: int = 0
    tokenizer_class: str | None = None
    unread: Callable[[Mapping[str, Any]], Mapping[str, np.ndarray]] = lambda _: {}
    left_out: tuple[str, ...] = ()


def of_objectives(**names: str) -> dict[frozenset[str], str]:
    """Class by the objectives that its keyword joins with `_and_`; `backbone` is none."""
    return {frozenset() if key == "backbone" else frozenset(key.split("_and_")): name for key, name in names.items()}


def of_blocks(layer: str, parts: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The parts of each block, named from the model's root."""
    return {f"block_{{i}}/{part}": tuple(f"{layer}.{{i}}.{name}" for name in names) for part, names in parts.items()}
