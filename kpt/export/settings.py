"""Inputs of a signature that have one value for all texts, and what makes an input an error in the graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

import tensorflow as tf

__all__ = ["checked", "concrete", "setting", "traced_within"]

Scope = Callable[[], AbstractContextManager[Any]]
_SCOPE: ContextVar[Scope] = ContextVar("scope", default=nullcontext)


@contextmanager
def traced_within(scope: Scope) -> Iterator[None]:
    """Within, functions that become signatures are traced in a scope.

    Args:
        scope: makes one for each of them.
    """
    token = _SCOPE.set(scope)
    try:
        yield
    finally:
        _SCOPE.reset(token)


def concrete(function: Any, texts: Sequence[str], **settings: tf.DType) -> Any:
    """Return a function traced as a signature; without XLA, which TensorFlow Serving lacks.

    Args:
        function: takes the tensors by position and returns a dict of them.
        texts: names of the inputs that are string [n].
        settings: names and types of those that `setting` reads, which may have any shape.
    """
    specs = [tf.TensorSpec([None], tf.string, name=name) for name in texts]
    specs += [tf.TensorSpec(None, dtype, name=name) for name, dtype in settings.items()]
    scope = _SCOPE.get()

    def within(*tensors: tf.Tensor) -> Any:
        with scope():
            return function(*tensors)

    return tf.function(within, jit_compile=False, autograph=False).get_concrete_function(*specs)


def setting(value: tf.Tensor, name: str) -> tf.Tensor:
    """Return the one value of an input, a scalar.

    A scalar cannot be told in TensorFlow Serving's form of `instances`, where all inputs have a row for each text: so
    the input may have any shape, if all of its values are the same.

    Args:
        value: any shape.
        name: what an error calls it.

    Raises:
        InvalidArgumentError: (in the graph) there is no value, or several that differ.

    Example:
        >>> int(setting(tf.constant([3, 3]), "top_k"))
        3
    """
    flat = tf.reshape(value, [-1])
    same = (tf.size(flat) > 0) & tf.reduce_all(flat[1:] == flat[:-1])
    return checked(flat, (same, [f"{name} has no value or several that differ; give one for all texts:", flat]))[0]


def checked(value: tf.Tensor, *checks: tuple[tf.Tensor, list[Any]]) -> tf.Tensor:
    """Return a tensor that is there only if checks hold.

    Args:
        value: the tensor.
        checks: a Boolean scalar each, and what the error shows if it is `False`: a message and tensors.

    Raises:
        InvalidArgumentError: (in the graph) one does not hold.
    """
    with tf.control_dependencies([tf.debugging.Assert(holds, shown, summarize=8) for holds, shown in checks]):
        return tf.identity(value)
