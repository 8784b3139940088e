"""The config.json of a Hugging Face folder as arguments of a backbone, and the other way round."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from kpt.errors import InputError
from kpt.interop.families import FAMILIES
from kpt.interop.family import REQUIRED, Family, Task

__all__ = ["arguments_of", "config_of", "differences", "family_for", "family_of"]

#: Their names of activations, the first one is what is written.
ACTIVATIONS: dict[str, tuple[str, ...]] = {
    "gelu": ("gelu", "gelu_python"),
    "gelu_tanh": ("gelu_new", "gelu_pytorch_tanh", "gelu_fast"),
    "relu": ("relu",),
    "silu": ("silu", "swish"),
    "squared_relu": ("relu2",),
    "tanh": ("tanh",),
}
NUMBERS = {"dropout", "attention_dropout", "epsilon", "rotary_base", "initial_deviation"}
#: The numbers of Llama 3's scaling of rotary positions.
SCALING = ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings")

#: Arguments that are not part of what a model computes.
TRAINING_ONLY = {"dropout", "attention_dropout", "initial_deviation"}


def family_of(config: Mapping[str, Any], place: Any) -> Family:
    """Return the family of a config.json.

    Args:
        config: Its content.
        place: The file, for messages.

    Raises:
        InputError: It names none that kpt has.
    """
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in FAMILIES:
        raise InputError(f"{place}: its model_type is {kind!r}, and kpt reads {', '.join(FAMILIES)}; give one of these")
    return FAMILIES[kind]


def arguments_of(family: Family, config: Mapping[str, Any], place: Any) -> dict[str, Any]:
    """Return the arguments of the backbone that a config.json describes.

    Args:
        family: Its family.
        config: Its content.
        place: The file, for messages.

    Returns:
        The arguments; an encoder's `pooler` is left to what tensors there are.

    Raises:
        InputError: A setting is missing, is no such value, or asks for what kpt's backbone does not do.
    """
    config = _flat(config, place)
    for key, wanted in family.demands.items():
        if config.get(key, wanted) not in (wanted, None):
            raise InputError(f"{place}: {key} is {config[key]!r}, and kpt reads {family.title} with {wanted!r} alone")
    arguments = dict(family.fixed)
    for name, (key, default) in family.settings.items():
        value = config.get(key, default)
        if value is REQUIRED:
            raise InputError(f"{place} has no {key}; copy the checkpoint again")
        arguments[name] = _checked(name, value, f"{place}: {key}")
    arguments["maximum_length"] -= family.position_offset
    if not family.projects_always and arguments["embedding_width"] == arguments["width"]:
        arguments["embedding_width"] = None
    width, heads = arguments["width"], arguments["heads"]
    if config.get("head_dim") not in (None, width // heads):
        raise InputError(
            f"{place}: head_dim is {config['head_dim']!r}, and kpt has heads of hidden_size / num_attention_heads alone"
        )
    return arguments


def config_of(family: Family, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config.json of a backbone, without what the tokenizer and the heads add to it.

    Args:
        family: From `family_for`.
        arguments: Of the backbone.
    """
    config: dict[str, Any] = {"model_type": family.model_type, **family.demands}
    for name, (key, _) in family.settings.items():
        config[key] = arguments[name]
    config |= {key: arguments[name] for key, name in family.also.items()}
    if "activation" in family.settings:
        config[family.settings["activation"][0]] = ACTIVATIONS[arguments["activation"]][0]
    if "embedding_width" in family.settings and arguments["embedding_width"] is None:
        config[family.settings["embedding_width"][0]] = arguments["width"]
    config[family.settings["maximum_length"][0]] += family.position_offset
    if "rotary_scaling" in family.settings:  # the first is what older readers know, the second what newer ones write
        scaling = {"rope_type": "llama3", **config["rope_scaling"]} if config["rope_scaling"] else None
        config["rope_scaling"] = scaling
        config["rope_parameters"] = {"rope_theta": config["rope_theta"], **(scaling or {"rope_type": "default"})}
    return config


def family_for(
    backbone: str,
    arguments: Mapping[str, Any],
    tokenizer_class: str | None = None,
    with_task: Callable[[Family], tuple[Task, Mapping[str, Any]] | None] | None = None,
) -> Family:
    """Return the first family that a backbone can be written as, exactly.

    Args:
        backbone: `"encoder"` or `"decoder"`.
        arguments: Of the backbone.
        tokenizer_class: Prefer families with this `tokenizer_class`, and among them those without a pooler for an
            encoder without one.
        with_task: Of a model with a head: gives for a family its task, and the arguments that the backbone must have
            for it; `None` where it has no such head.

    Raises:
        InputError: There is none; the message has what differs from the nearest one.
    """
    nearest: tuple[int, str] | None = None
    families = [family for family in FAMILIES.values() if family.backbone == backbone]
    unpooled = with_task is None and not arguments.get("pooler", True)

    def rank(family: Family) -> tuple[bool, bool]:
        return family.tokenizer_class != tokenizer_class, unpooled and family.fixed.get("pooler") is not False

    for family in sorted(families, key=rank):
        wanted = arguments
        if with_task is not None:
            if (found := with_task(family)) is None:
                continue
            task, wanted = found
            if task.pooler is not None:
                own = {"pooler": True, "pooler_activation": task.pooler}
                family = replace(family, fixed={**family.fixed, **own})
        others = differences(family, wanted)
        if not others:
            return FAMILIES[family.model_type]
        if nearest is None or len(others) < nearest[0]:
            nearest = len(others), f"the nearest is {family.title}, but {'; '.join(others)}"
    if nearest is None:
        raise InputError(
            "no architecture of Hugging Face's has this model's head; fine-tune with --pooling pooled or first, "
            "or export a SavedModel"
        )
    raise InputError(
        f"no architecture of Hugging Face's is exactly this {backbone}: {nearest[1]}; "
        "pre-train with --architecture published, or export a SavedModel"
    )


def differences(family: Family, arguments: Mapping[str, Any]) -> list[str]:
    """Return what a backbone has that a family has not.

    Args:
        family: Of others.
        arguments: Of the backbone.
    """
    # Scaled token embeddings may be written scaled where the output can have a matrix of its own, or has a norm before.
    free = TRAINING_ONLY | (set() if arguments.get("pooler", True) else {"pooler_activation"})
    free |= {"scale_embedding"} if "tied" in family.settings or family.backbone == "encoder" else set()
    found = [
        f"{name} is {arguments[name]!r} and not {value!r}"
        for name, value in family.fixed.items()
        if arguments[name] != value and name not in free
    ]
    if "embedding_width" in family.settings and family.projects_always and arguments["embedding_width"] is None:
        found.append("embedding_width is None and not a number")
    if arguments["activation"] not in ACTIVATIONS:
        found.append(f"activation is {arguments['activation']!r}")
    if "segments" in family.settings and not arguments["segments"]:
        found.append("segments is 0 and not 1 or more")
    if "key_value_heads" in arguments and "key_value_heads" not in family.settings:
        shared, heads = arguments["key_value_heads"], arguments["heads"]
        found += [f"key_value_heads is {shared} and not {heads}"] if shared != heads else []
    return found


def _flat(config: Mapping[str, Any], place: Any) -> dict[str, Any]:
    """A config with `rope_theta` and, where it is Llama 3's, `rope_scaling`, wherever its version has them."""
    given = config.get("rope_parameters") or config.get("rope_scaling")
    if given is None:
        return dict(config)
    if not isinstance(given, Mapping):
        raise InputError(f"{place}: rope_parameters is {given!r} and no object; copy the checkpoint again")
    kind = given.get("rope_type", given.get("type", "default"))
    if kind not in ("default", "llama3") or given.get("partial_rotary_factor", 1) != 1:
        raise InputError(f"{place}: its rotary positions are {kind!r}, and kpt has those of 'default' and 'llama3'")
    scaling = {name: given.get(name) for name in SCALING} if kind == "llama3" else None
    theta = given.get("rope_theta", config.get("rope_theta"))
    return {**config, "rope_scaling": scaling} | ({} if theta is None else {"rope_theta": theta})


def _checked(name: str, value: Any, place: str) -> Any:
    """A setting as the argument of that name.

    Raises:
        InputError: It is no such value.
    """
    if name == "activation":
        for ours, theirs in ACTIVATIONS.items():
            if value in theirs:
                return ours
        raise InputError(f"{place} is {value!r}, and kpt has {', '.join(each[0] for each in ACTIVATIONS.values())}")
    if name == "tied":
        valid = isinstance(value, bool)
    elif name == "rotary_scaling":
        valid = value is None or all(_is_number(number) and number > 0 for number in value.values())
    elif name in NUMBERS:
        valid = _is_number(value) and value >= 0
    else:
        valid = (type(value) is int and value > 0) or (
            value is None and name in ("key_value_heads", "feed_forward_width")
        )
    if not valid:
        raise InputError(f"{place} is {value!r}, which cannot be; copy the checkpoint again")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
