"""Task models of kpt from the heads of Hugging Face checkpoints, and the other way round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from keras import ops

from kpt.errors import InputError
from kpt.interop.family import Family, Task
from kpt.tasks import Classifier, QuestionAnswerer, Regressor, Tagger
from kpt.tasks.task_model import TaskModel

__all__ = ["head_tensors", "task_arguments", "task_config", "task_model", "task_name", "task_of"]

MULTI_LABEL, REGRESSION = "multi_label_classification", "regression"


def task_of(family: Family, config: Mapping[str, Any]) -> str | None:
    """Return which of the family's tasks a config.json says its model is for; `None` for none.

    Args:
        family: Of the checkpoint.
        config: The content of config.json.
    """
    classes = config.get("architectures")
    classes = [name for name in classes if isinstance(name, str)] if isinstance(classes, list) else []
    return next((name for name, task in family.tasks.items() if task.architecture in classes), None)


def task_model(name: str, backbone: Any, pooled: bool, config: Mapping[str, Any], outputs: int, place: Any) -> Any:
    """Return a new task model on a backbone.

    Args:
        name: Of the task, from `task_of`.
        backbone: The model below.
        pooled: Whether the head stands on the backbone's pooled output.
        config: The content of config.json: `id2label` and `problem_type`.
        outputs: Number of the head's outputs, by its tensor.
        place: The file, for messages.

    Returns:
        A `Classifier`, a `Regressor`, a `Tagger` or a `QuestionAnswerer`.

    Raises:
        InputError: The labels are not those of the head, or kpt has no such task.
    """
    labels = _labels(config, outputs, place)
    kind = config.get("problem_type")
    try:
        if name == "question_answering":
            if outputs != 2:
                raise InputError(f"a head of {outputs} outputs, where question answering has 2")
            return QuestionAnswerer(backbone)
        if name == "token_classification":
            return Tagger(backbone, labels)
        pooling = "pooled" if pooled else "last"
        if kind == REGRESSION or outputs == 1:
            if outputs != 1:
                raise InputError(f"a regression of {outputs} numbers, where kpt has one")
            return Regressor(backbone, pooling=pooling)
        return Classifier(backbone, labels, multi_label=kind == MULTI_LABEL, pooling=pooling)
    except InputError as error:
        raise InputError(f"{place}: kpt has no such model ({error})") from error


def _labels(config: Mapping[str, Any], outputs: int, place: Any) -> list[str]:
    """The names of the outputs; those that `transformers` gives where a config.json gives none.

    Raises:
        InputError: There are others than the outputs.
    """
    given = config.get("id2label")
    if given is None:
        return [f"LABEL_{number}" for number in range(outputs)]
    names = [given.get(str(number)) for number in range(outputs)] if isinstance(given, Mapping) else []
    if len(names) != outputs or len(given) != outputs or not all(isinstance(name, str) for name in names):
        raise InputError(
            f"{place}: id2label does not name the {outputs} outputs of the head; copy the checkpoint again"
        )
    return [str(name) for name in names]


def task_name(model: TaskModel) -> str:
    """Return the task of a task model, by the names of `Family.tasks`.

    Raises:
        InputError: It is none of these.
    """
    if isinstance(model, Tagger):
        return "token_classification"
    if isinstance(model, Classifier | Regressor):
        return "sequence_classification"
    if model.pooling is None and model.head.units == 2:
        return "question_answering"
    raise InputError(f"a {type(model).__name__} has no form of Hugging Face's; export a SavedModel instead")


#: Activations of poolers with f(x) - f(-x) = x, through which a head can stand on the first token itself.
TWO_SIDED = ("relu", "gelu")


def task_arguments(model: TaskModel, task: Task, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the arguments of the backbone that a family must have to be able to have a task model's head too.

    Args:
        model: A task model.
        task: Of the family.
        arguments: Of the model's backbone.

    Returns:
        The arguments, or `None` where the family's head stands on another vector.
    """
    if model.document_width:
        return None
    pools = {"pooler": True, "pooler_activation": task.pooler}
    if model.pooling == "pooled" and task.pooler == arguments["pooler_activation"]:
        return {**arguments, **pools}
    if model.pooling == "first" and task.pooler in TWO_SIDED and 2 * model.head.units <= arguments["width"]:
        return {**arguments, **pools}
    if model.pooling in (None, "last") and task.pooler is None:
        # A pooler that is there is not part of what the head computes.
        return {**arguments, **({"pooler": False} if "pooler" in arguments else {})}
    return None


def task_config(model: TaskModel) -> dict[str, Any]:
    """Return what a config.json says of a head: its labels and the kind of problem."""
    if isinstance(model, Classifier | Tagger):
        names: tuple[str, ...] = model.labels
    else:
        names = tuple(f"LABEL_{number}" for number in range(model.head.units))
    config: dict[str, Any] = {"id2label": {str(i): name for i, name in enumerate(names)}}
    config["label2id"] = {name: i for i, name in enumerate(names)}
    if isinstance(model, Regressor):
        config["problem_type"] = REGRESSION
    if isinstance(model, Classifier):
        config["problem_type"] = MULTI_LABEL if model.multi_label else "single_label_classification"
    return config


def head_tensors(model: TaskModel, task: Task) -> dict[str, np.ndarray]:
    r"""Return the tensors of a task model's head.

    A regressor's mean and deviation become part of them. A head on the first token itself, where the family has a
    pooler with f(x) - f(-x) = x before its head, gets the pooler :math:`(W, -W, 0)` and the head :math:`(I, -I, 0)^T`.

    Args:
        model: A task model.
        task: Of the family.

    Raises:
        InputError: The family's head has no bias, and the model's has one.
    """
    kernel, bias = (np.asarray(ops.convert_to_numpy(ops.cast(x.value, "float32"))) for x in model.head.weights)
    if isinstance(model, Regressor):
        kernel = kernel * np.float32(model.deviation)
        bias = bias * np.float32(model.deviation) + np.float32(model.mean)
    tensors: dict[str, np.ndarray] = {}

    def add(part: str, kernel: np.ndarray, bias: np.ndarray) -> None:
        name = task.tensors[part][0]
        tensors[f"{name}.weight"] = np.ascontiguousarray(kernel.T)  # heads are [outputs, inputs] in all families
        tensors[f"{name}.bias"] = bias

    if model.pooling == "first":
        width, outputs = kernel.shape
        free = width - 2 * outputs
        add(
            "pooler/dense",
            np.concatenate([kernel, -kernel, np.zeros((width, free), "float32")], 1),
            np.zeros_like(kernel[:, 0]),
        )
        kernel = np.concatenate([np.eye(outputs), -np.eye(outputs), np.zeros((free, outputs))]).astype("float32")
    add("head", kernel, bias)
    if not task.bias and tensors.pop(f"{task.tensors['head'][0]}.bias").any():
        raise InputError(f"{task.architecture} has a head without bias, unlike this model; export a SavedModel")
    return tensors
