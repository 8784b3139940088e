"""What a model holds at one moment, and a second model that is saved in its place while it is trained further."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import keras
import numpy as np

from kpt.errors import InputError

__all__ = ["Twin", "random_states", "restore_random_states", "values"]


def values(model: keras.Model) -> list[np.ndarray]:
    """Return copies, in the host's memory, of a model's weights and of the variables of its optimizer."""
    # A view would change with the model: PyTorch's arrays, and JAX's on the CPU, share its memory.
    return [np.array(keras.ops.convert_to_numpy(variable), copy=True) for variable in saved_variables(model)]


def host() -> Any:
    """Return the scope in which variables are in the host's memory; on PyTorch that of its caller.

    There Keras moves integers to "cpu:0" as plain tensors, which it then refuses as parameters.
    """
    return nullcontext() if keras.backend.backend() == "torch" else keras.device("cpu:0")


class Twin:
    """A second model with the architecture and the compilation of a first, in the host's memory.

    Given the values of the first, it is saved in its place, by another thread, while the first is trained further.

    Args:
        model: The first.

    Attributes:
        model: The second.

    Raises:
        ValueError: The first cannot be made again from its configuration.

    Example:
        >>> twin = Twin(model)  # doctest: +SKIP
        >>> twin.assign(values(model))  # doctest: +SKIP
        >>> twin.model.save("model.keras")  # doctest: +SKIP
    """

    def __init__(self, model: keras.Model) -> None:
        config = keras.saving.serialize_keras_object(model)
        made: list[keras.Model] = []

        def make() -> None:
            with host():
                made.append(keras.saving.deserialize_keras_object(config))

        drawn = random.getstate()  # Keras draws the seeds of initializers from it
        # A thread of its own is in no strategy's scope and under no distribution.
        thread = threading.Thread(target=attempted(make))
        thread.start()
        thread.join()
        random.setstate(drawn)
        if not made or shapes(made[0]) != shapes(model):
            raise ValueError(f"the {type(model).__name__} cannot be made again from its configuration")
        self.model = made[0]

    def assign(self, arrays: Sequence[np.ndarray]) -> None:
        """Set what `values` returned of the first model."""
        with host():
            for variable, array in zip(saved_variables(self.model), arrays, strict=True):
                variable.assign(array)


def attempted(work: Any) -> Any:
    """Return a function without what it raises."""

    def run() -> None:
        try:
            work()
        except Exception:  # any of many kinds; who called it looks at what came of it
            return

    return run


def saved_variables(model: keras.Model) -> list[Any]:
    """Return the weights and the optimizer's variables, each once."""
    optimizer = getattr(model, "optimizer", None)
    every = [*model.weights, *(optimizer.variables if optimizer is not None else ())]
    return list({id(variable): variable for variable in every}.values())


def shapes(model: keras.Model) -> list[tuple[tuple[int, ...], str]]:
    """Return shape and dtype of each variable; the paths of a twin may be shorter."""
    return [(tuple(variable.shape), variable.dtype) for variable in saved_variables(model)]


def random_states(model: keras.Model) -> list[list[int]]:
    """Return the states of a model's random numbers (dropout), which neither its weights nor its file hold.

    Returns:
        One list of integers for each `keras.random.SeedGenerator`, in the order of the model's layers.
    """
    return [np.asarray(keras.ops.convert_to_numpy(variable)).tolist() for variable in random_variables(model)]


def restore_random_states(model: keras.Model, states: Sequence[Sequence[int]]) -> None:
    """Set what `random_states` returned.

    Raises:
        InputError: The model has not as many generators.
    """
    variables = random_variables(model)
    if len(variables) != len(states):
        raise InputError(
            f"there are {len(states)} states of random numbers for a model with {len(variables)}; "
            "give those of its own checkpoint"
        )
    for variable, state in zip(variables, states, strict=True):
        variable.assign(np.asarray(state, dtype=keras.ops.convert_to_numpy(variable).dtype))


def random_variables(model: keras.Model) -> list[Any]:
    """Return the variables of a model's random numbers: those that are neither weights nor metrics."""
    others = {id(variable) for variable in (*model.weights, *model.metrics_variables)}
    return [variable for variable in model.variables if id(variable) not in others]
