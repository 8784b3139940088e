"""Weights of a model from the tensors of a Hugging Face checkpoint, and the other way round: one loop for all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from kpt.errors import InputError
from kpt.interop.assignment import assign_joined
from kpt.interop.family import Family, Task
from kpt.interop.tasks import head_tensors
from kpt.interop.tensors import Tensors
from kpt.layers import merge_lora

__all__ = ["Names", "heads_of", "named_weights", "read_weights", "tensors_of", "unused_tensors"]

# The ends of our weights' paths, and of their tensors' names.
ENDS = {
    **dict.fromkeys(("kernel", "gamma", "scale", "embeddings", "reverse_embeddings"), "weight"),
    **dict.fromkeys(("bias", "beta"), "bias"),
}
# Checkpoints of TensorFlow's time have the names that layer norms had there.
OLDER = {"weight": "gamma", "bias": "beta"}

# RoBERTa's one segment, which is part of our positions.
SEGMENT = "embeddings.token_type_embeddings.weight"


class Names(NamedTuple):
    """One of our weights and the tensors that it is in a checkpoint.

    Attributes:
        path: Of the weight, below its model.
        tensors: Names, joined along the outputs; with the prefix of the backbone.
        turned: Whether the tensors are `[outputs, inputs]`.
    """

    path: str
    tensors: tuple[str, ...]
    turned: bool


def named_weights(model: Any, family: Family, task: Task | None = None) -> Iterator[tuple[Any, Names]]:
    """Yield each weight of a model with its names.

    Args:
        model: A backbone, or a `Pretrainer` or a task model of one.
        family: Of the checkpoint.
        task: Of the family, where it is a task model.

    Raises:
        InputError: The family has no such weight, or no such objective.
    """
    backbone = getattr(model, "backbone", model)
    for weight in backbone.weights:
        part, _, end = weight.path.rpartition("/")
        if task is not None and part in task.tensors:
            yield weight, Names(weight.path, (f"{task.tensors[part][0]}.{ENDS[end]}",), end == "kernel")
            continue
        if end == "reverse_embeddings":
            yield weight, Names(weight.path, ("lm_head.weight",), True)
            continue
        number = re.match(r"block_(\d+)/", part)
        names = family.tensors.get(re.sub(r"^block_\d+/", "block_{i}/", part))
        if names is None:
            raise InputError(f"{family.title} has nothing that is {weight.path}; export a SavedModel instead")
        block = number[1] if number else ""
        tensors = tuple(f"{family.prefix}{name.format(i=block)}.{ENDS[end]}" for name in names)
        yield weight, Names(weight.path, tensors, end == "kernel" and family.transposed)
    for objective in getattr(model, "objectives", ()):
        head = getattr(objective, "head", None)
        for weight in head.weights if head is not None else ():
            part, _, end = weight.path.removeprefix(f"{objective.name}_head").rpartition("/")
            names = family.heads.get(objective.default_name, {}).get(part.removeprefix("/"))
            if names is None:
                raise InputError(f"{family.title} has no head {objective.name!r}; leave the objective out")
            yield weight, Names(weight.path, (f"{names[0]}.{ENDS[end]}",), end == "kernel" and family.transposed)
    if task is None or model is backbone:
        return
    for weight in model.head.weights:
        end = weight.path.rpartition("/")[2]
        if end == "kernel" or task.bias:
            # Heads are `[outputs, inputs]` in all families.
            yield weight, Names(weight.path, (f"{task.tensors['head'][0]}.{ENDS[end]}",), end == "kernel")


def heads_of(family: Family, tensors: Mapping[str, Any]) -> list[str]:
    """Return the objectives whose heads a checkpoint of no task has.

    A tied decoder's head is its token embedding, so it always has one.
    """
    found = []
    for objective, parts in family.heads.items():
        first = next(iter(parts.values()))[0]
        if family.backbone == "decoder" or f"{first}.weight" in tensors:
            found.append(objective)
    return found


def read_weights(model: Any, family: Family, tensors: Tensors, task: Task | None = None) -> set[str]:
    """Give a model the weights of a checkpoint, one by one.

    Args:
        model: A backbone, or a `Pretrainer` or a task model of one.
        family: Of the checkpoint.
        tensors: Of the checkpoint.
        task: Of the family, where it is a task model.

    Returns:
        The names of the tensors that were read.

    Raises:
        InputError: A tensor is missing or has another shape.
    """
    used: set[str] = set()
    for weight, names in named_weights(model, family, task):
        found = [_find(tensors, name, family) for name in names.tensors]
        used |= set(found)
        values = [tensors[name] for name in found]
        if names.path == "positions/embeddings" and family.position_offset:
            used |= _add_segment(values, family, tensors)
        values = [value.T if names.turned else value for value in values]
        if len({value.shape[:-1] for value in values}) != 1 or not values[0].ndim:
            raise InputError(f"{tensors.folder}: {', '.join(found)} do not fit each other; copy the checkpoint again")
        shape = (*values[0].shape[:-1], sum(value.shape[-1] for value in values))
        if shape != tuple(weight.shape):
            turned = (lambda s: s[::-1]) if names.turned else (lambda s: s)
            raise InputError(
                f"{tensors.folder}: {', '.join(found)} has the shape {list(turned(shape))}, and config.json asks for "
                f"{list(turned(tuple(weight.shape)))}; copy the checkpoint again"
            )
        assign_joined(weight, values, tensors.drop_pages)
    return used


def _find(tensors: Tensors, name: str, family: Family) -> str:
    """The name that a checkpoint has a tensor under: with the backbone's prefix or without, as it is or as it was."""
    stem, _, end = name.rpartition(".")
    for candidate in (name, f"{stem}.{OLDER[end]}"):
        for each in (candidate, candidate.removeprefix(family.prefix)):
            if each in tensors:
                return each
    raise InputError(f"{tensors.folder} has no tensor {name!r}, which its config.json asks for; copy it again")


def _add_segment(values: list[Any], family: Family, tensors: Tensors) -> set[str]:
    """Leave out the rows of positions before the first, and add the vector of the only segment to the others."""
    values[0] = values[0][family.position_offset :].astype("float32")
    name = _find(tensors, family.prefix + SEGMENT, family)
    if tensors[name].shape != (1, values[0].shape[-1]):
        raise InputError(f"{tensors.folder}: {name} has the shape {list(tensors[name].shape)}; copy it again")
    values[0] += tensors[name].astype("float32")
    return {name}


def unused_tensors(family: Family, tensors: Mapping[str, Any], used: set[str]) -> list[str]:
    """Return the tensors that no weight of ours was made of, and that are no copies of others either.

    Raises:
        InputError: One of them is part of the backbone, which then computes something else than ours.
    """
    left = sorted(name for name in set(tensors) - used if not name.endswith(family.left_out))
    roots = {name.split(".")[0] for names in family.tensors.values() for name in names} - {"pooler"}
    for name in left:
        if name.removeprefix(family.prefix).split(".")[0] in roots:
            raise InputError(f"the checkpoint has the tensor {name!r}, which no {family.title} has that kpt reads")
    return left


def tensors_of(model: Any, family: Family, task: Task | None = None) -> dict[str, np.ndarray]:
    """Return the tensors of a checkpoint of a model, as float32.

    A model that multiplies its token embeddings by the root of their width gets them multiplied, as no family does so.
    A decoder gets an output of its own beside them; in an encoder the norm before the output is divided by as much.
    Adapters (`kpt.layers.add_lora`) are merged, in the model too.

    Args:
        model: A backbone, or a `Pretrainer` or a task model of one.
        family: Which its arguments fit, see `kpt.interop.settings.family_for`.
        task: Of the family, where it is a task model.

    Raises:
        InputError: The model has a part that the family has not.
    """
    merge_lora(model)
    backbone = getattr(model, "backbone", model)
    arguments = backbone.arguments
    tensors = {} if task is None else head_tensors(model, task)
    inner = arguments.get("embedding_width") or arguments["width"]
    scale = np.float32(inner**0.5) if arguments["scale_embedding"] else np.float32(1)
    tensors |= {family.prefix + name: value for name, value in family.unread(arguments).items()}
    before_output = family.heads.get("masked_lm", {}).get("norm", ())
    for weight, names in named_weights(backbone if task else model, family, task):
        if names.path.startswith("pooler/") and task is not None and getattr(model, "pooling", None) != "pooled":
            continue  # the head does not stand on it
        value = np.asarray(ops.convert_to_numpy(ops.cast(weight.value, "float32")))
        if names.path == "positions/embeddings" and family.position_offset:
            tensors[family.prefix + SEGMENT] = np.zeros((1, value.shape[1]), np.float32)
            value = np.concatenate([np.zeros((family.position_offset, value.shape[1]), np.float32), value])
        if names.path == "token_embedding/embeddings" and scale != 1:
            if family.backbone == "decoder" and arguments["tied"]:
                tensors["lm_head.weight"] = value
            value = value * scale
        if names.tensors[0].rpartition(".")[0] in before_output:
            value = value / scale
        parts = np.split(value, _ends(names, value.shape[-1], arguments), axis=-1)
        for name, part in zip(names.tensors, parts, strict=True):
            tensors[name] = np.ascontiguousarray(part.T if names.turned else part)
    return tensors


def _ends(names: Names, size: int, arguments: Mapping[str, Any]) -> list[int]:
    """Where the parts of a joined weight end: queries, keys and values by their heads, others in halves."""
    if len(names.tensors) == 3:
        depth = arguments["width"] // arguments["heads"]
        queries, keys = arguments["width"], arguments.get("key_value_heads", arguments["heads"]) * depth
        return [queries, queries + keys]
    return [size // 2] if len(names.tensors) == 2 else []
