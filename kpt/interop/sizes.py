"""Whether the files of a checkpoint hold as much as its config.json asks for, before anything is built."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from kpt.errors import InputError
from kpt.interop.family import Family, Task
from kpt.interop.tensors import Tensors

__all__ = ["check_sizes", "head_outputs"]

#: Times that one shared block may follow itself: a file says nothing of them. Published models have 12 or 24.
MOST_REPEATS = 1024


def check_sizes(family: Family, arguments: Mapping[str, Any], tensors: Tensors) -> None:
    """Make sure that a config.json asks for no larger model than the files hold.

    Args:
        family: Of the checkpoint.
        arguments: Of the backbone, from `kpt.interop.settings.arguments_of`.
        tensors: Of the checkpoint.

    Raises:
        InputError: It does.
    """
    if arguments.get("shared_blocks") and arguments["depth"] > MOST_REPEATS:
        key = family.settings["depth"][0]
        raise InputError(f"{tensors.folder}: {key} is {arguments['depth']}, more than any model has; copy it again")
    for full, sizes in _expected(family, arguments):
        found = full if full in tensors else full.removeprefix(family.prefix)
        if found not in tensors:
            raise InputError(f"{tensors.folder} has no tensor {full!r}, which its config.json asks for")
        if set(tensors.shape(found)) != sizes:
            raise InputError(
                f"{tensors.folder}: {found} has the shape {list(tensors.shape(found))}, and config.json asks for "
                f"{' by '.join(map(str, sorted(sizes)))}; copy the checkpoint again"
            )


def _expected(family: Family, arguments: Mapping[str, Any]) -> Iterator[tuple[str, set[int]]]:
    """The tensors that the sizes of all others follow from; of each block two, the last one first."""
    width, inner = arguments["width"], arguments.get("embedding_width") or arguments["width"]
    hidden = arguments["feed_forward_width"] or 4 * width
    for part, sizes in (
        ("token_embedding", {arguments["vocabulary_size"], inner}),
        ("positions", {arguments["maximum_length"] + family.position_offset, inner}),
        ("segment_embedding", {arguments.get("segments"), inner}),
    ):
        for name in family.tensors.get(part, ()):
            yield f"{family.prefix}{name}.weight", sizes
    blocks = {
        part: {hidden, width} if "feed_forward" in part else {width}
        for part in family.tensors
        if re.fullmatch(r"block(_\{i\})?/(feed_forward|attention)/output", part)
    }
    for block in reversed(range(1 if arguments.get("shared_blocks") else arguments["depth"])):
        for part, sizes in blocks.items():
            yield f"{family.prefix}{family.tensors[part][0].format(i=block)}.weight", sizes


def head_outputs(task: Task, tensors: Tensors) -> int:
    """Return the number of outputs of a task's head, by its tensor.

    Raises:
        InputError: There is none, or it is no matrix.
    """
    name = f"{task.tensors['head'][0]}.weight"
    if name not in tensors:
        raise InputError(f"{tensors.folder} has no tensor {name!r}, which its config.json asks for")
    shape = tensors.shape(name)
    if len(shape) != 2 or not shape[0]:
        raise InputError(f"{tensors.folder}: {name} has the shape {list(shape)}; copy the checkpoint again")
    return int(shape[0])
